# SPDX-License-Identifier: MIT
# What is installed where.  Components: core, dev, and bs-NAME for each store (BackingStore.cmake).
install(TARGETS tgt LIBRARY DESTINATION ${TGT_LIBDIR} COMPONENT core)
install(TARGETS tgtd tgtadm tgt-admin RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT core)
# The daemon refuses a module folder that doesn't exist, and starts without stores in an empty one.
install(DIRECTORY DESTINATION ${TGT_BSDIR} COMPONENT core)
install(PROGRAMS tools/tgt-setup-lun DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT core)
install(FILES man/tgtd.8 man/tgtadm.8 man/tgt-admin.8 man/tgt-setup-lun.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT core)
install(FILES man/targets.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 COMPONENT core)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT core)
install(DIRECTORY doc/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev FILES_MATCHING PATTERN "*.md")

# The operator's file, which may hold passwords: one that is there already stays.
set(conf ${CMAKE_INSTALL_FULL_SYSCONFDIR}/tgt)
install(DIRECTORY DESTINATION ${conf}/conf.d COMPONENT core)
install(CODE "
	if(NOT EXISTS \"\$ENV{DESTDIR}${conf}/targets.conf\")
		file(INSTALL DESTINATION \"${conf}\" TYPE FILE FILES \"${PROJECT_SOURCE_DIR}/packaging/targets.conf\"
			PERMISSIONS OWNER_READ OWNER_WRITE)
	endif()" COMPONENT core)

# systemd looks below /usr/lib and /etc whatever the libdir is.
set(TGT_SYSTEMD_UNITDIR lib/systemd/system CACHE STRING "where the systemd unit goes")
set(TGT_TMPFILESDIR lib/tmpfiles.d CACHE STRING "where the tmpfiles.d file goes")
configure_file(packaging/tgtd.service.in tgtd.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tgtd.service DESTINATION ${TGT_SYSTEMD_UNITDIR} COMPONENT core)
install(FILES packaging/tmpfiles.conf RENAME tgtd.conf DESTINATION ${TGT_TMPFILESDIR} COMPONENT core)

# Relative to ${prefix} where they can be, so that a module's build may move it.
foreach(dir INCLUDEDIR LIBDIR)
	if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
		set(TGT_PC_${dir} ${CMAKE_INSTALL_${dir}})
	else()
		set(TGT_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
	endif()
endforeach()
configure_file(tgt.pc.in tgt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tgt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
install(FILES include/tgt/backing-store.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tgt COMPONENT dev)
install(FILES man/tgt-backing-store.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT dev)
install(DIRECTORY examples/bs_example DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT dev
	FILES_MATCHING PATTERN "*.c" PATTERN "Makefile" PATTERN "*.md")
