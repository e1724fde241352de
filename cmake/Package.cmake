# SPDX-License-Identifier: MIT
# Debian packages: tgt (the core), tgt-bs-NAME for each store, tgt-dev.  `make deb` configures for /usr.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tgt)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "tgt developers <tgt@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# The 1.x packages of Debian carry this epoch: ours must sort above them.
set(CPACK_DEBIAN_PACKAGE_EPOCH 1)
set(version "1:${PROJECT_VERSION}")
# File names don't: CPack's default would put its colon there.
execute_process(COMMAND dpkg --print-architecture OUTPUT_VARIABLE arch OUTPUT_STRIP_TRAILING_WHITESPACE
	ERROR_QUIET)
set(file_end "_${PROJECT_VERSION}_${arch}.deb")

get_property(stores GLOBAL PROPERTY TGT_STORE_NAMES)
set(CPACK_COMPONENTS_ALL core dev)
set(suggests)
foreach(store ${stores})
	list(APPEND CPACK_COMPONENTS_ALL bs-${store})
	string(TOUPPER BS-${store} component)
	get_property(help GLOBAL PROPERTY TGT_STORE_HELP_${store})
	if(NOT help)
		set(help "the ${store} backing store")
	endif()
	set(CPACK_DEBIAN_${component}_PACKAGE_NAME tgt-bs-${store})
	set(CPACK_DEBIAN_${component}_FILE_NAME tgt-bs-${store}${file_end})
	set(CPACK_DEBIAN_${component}_PACKAGE_DEPENDS "tgt (= ${version})")
	set(CPACK_DEBIAN_${component}_DESCRIPTION "SCSI target daemon: ${help}
 A backing-store module for tgtd.  A running daemon finds it after a restart.")
	if(NOT store STREQUAL rdwr)
		list(APPEND suggests tgt-bs-${store})
	endif()
endforeach()

set(CPACK_DEBIAN_CORE_PACKAGE_NAME tgt)
set(CPACK_DEBIAN_CORE_FILE_NAME tgt${file_end})
# tgt-bs-rdwr serves files and block devices, which is what nearly everybody wants.
set(CPACK_DEBIAN_CORE_PACKAGE_RECOMMENDS tgt-bs-rdwr)
string(JOIN ", " CPACK_DEBIAN_CORE_PACKAGE_SUGGESTS ${suggests})
set(CPACK_DEBIAN_CORE_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/postinst
	${PROJECT_SOURCE_DIR}/packaging/prerm ${PROJECT_SOURCE_DIR}/packaging/conffiles)
set(CPACK_DEBIAN_CORE_DESCRIPTION "${PROJECT_DESCRIPTION}
 tgtd exports disks, tapes and SCSI devices over iSCSI; tgtadm manages it.
 Every backing store is a package of its own, tgt-bs-NAME.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME tgt-dev)
set(CPACK_DEBIAN_DEV_FILE_NAME tgt-dev${file_end})
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS tgt)
set(CPACK_DEBIAN_DEV_DESCRIPTION "SCSI target daemon: header to write backing stores with
 The contract between tgtd and a backing store, tgt.pc for pkg-config, the manual
 page tgt-backing-store(3) and an example module.")
include(CPack)
