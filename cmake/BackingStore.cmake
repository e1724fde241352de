# SPDX-License-Identifier: MIT
# tgt_backing_store(NAME SOURCES a.c … [LIBS …]): a module in ${build}/backing-store/bs_NAME.so that
# exports tgt_bs_module and nothing else.
function(tgt_backing_store name)
	cmake_parse_arguments(BS "" "" "SOURCES;LIBS" ${ARGN})
	add_library(bs_${name} MODULE ${BS_SOURCES})
	target_include_directories(bs_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
	target_link_libraries(bs_${name} PRIVATE ${BS_LIBS})
	set_target_properties(bs_${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
		LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/backing-store)
	install(TARGETS bs_${name} LIBRARY DESTINATION ${TGT_BSDIR} COMPONENT bs-${name})
endfunction()
