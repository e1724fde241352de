# SPDX-License-Identifier: MIT
# tgt_backing_store(NAME SOURCES a.c … [LIBS …] [HELP "one line"]): a module in
# ${build}/backing-store/bs_NAME.so that exports tgt_bs_module and nothing else.  It is installed, with
# its manual page, by component bs-NAME, which becomes the package tgt-bs-NAME.
function(tgt_backing_store name)
	cmake_parse_arguments(BS "" "HELP" "SOURCES;LIBS" ${ARGN})
	add_library(bs_${name} MODULE ${BS_SOURCES})
	target_include_directories(bs_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
	target_link_libraries(bs_${name} PRIVATE ${BS_LIBS})
	set_target_properties(bs_${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
		LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/backing-store)
	install(TARGETS bs_${name} LIBRARY DESTINATION ${TGT_BSDIR} COMPONENT bs-${name})
	if(TGT_MANUALS)
		tgt_store_manual(${name})
	endif()
	set_property(GLOBAL APPEND PROPERTY TGT_STORE_NAMES ${name})
	set_property(GLOBAL PROPERTY TGT_STORE_HELP_${name} "${BS_HELP}")
endfunction()

# The page tgt-bs-NAME.7 in the store's folder, its options filled in from the module.
function(tgt_store_manual name)
	set(page ${CMAKE_CURRENT_SOURCE_DIR}/tgt-bs-${name}.7)
	set(made ${PROJECT_BINARY_DIR}/man/tgt-bs-${name}.7)
	add_custom_command(OUTPUT ${made} DEPENDS bs-manual bs_${name} ${page} VERBATIM
		COMMAND bs-manual $<TARGET_FILE:bs_${name}> ${page} > ${made}.new
		COMMAND ${CMAKE_COMMAND} -E rename ${made}.new ${made})
	add_custom_target(manual_${name} ALL DEPENDS ${made})
	install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man7 COMPONENT bs-${name})
endfunction()
