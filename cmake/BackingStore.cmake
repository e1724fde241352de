# SPDX-License-Identifier: MIT
# tgt_backing_store(NAME SOURCES a.c … [LIBS …] [HELP "one line"]): a module in
# ${build}/backing-store/bs_NAME.so that exports tgt_bs_module and nothing else.  It is installed, with
# the man pages of its folder, by component bs-NAME, which becomes the package tgt-bs-NAME.
function(tgt_backing_store name)
	cmake_parse_arguments(BS "" "HELP" "SOURCES;LIBS" ${ARGN})
	add_library(bs_${name} MODULE ${BS_SOURCES})
	target_include_directories(bs_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
	target_link_libraries(bs_${name} PRIVATE ${BS_LIBS})
	set_target_properties(bs_${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
		LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/backing-store)
	install(TARGETS bs_${name} LIBRARY DESTINATION ${TGT_BSDIR} COMPONENT bs-${name})
	file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.[1-9])
	foreach(page ${pages})
		string(REGEX REPLACE ".*\\.([1-9])$" "man\\1" section ${page})
		install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/${section} COMPONENT bs-${name})
	endforeach()
	set_property(GLOBAL APPEND PROPERTY TGT_STORE_NAMES ${name})
	set_property(GLOBAL PROPERTY TGT_STORE_HELP_${name} "${BS_HELP}")
endfunction()
