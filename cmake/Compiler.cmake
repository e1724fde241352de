# SPDX-License-Identifier: MIT
# Flags for everything that is compiled, and the build variants.
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# CMake's default for this type defines NDEBUG: an assert() should hold in what most people run.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(TGT_ASAN AND TGT_TSAN)
	message(FATAL_ERROR "TGT_ASAN and TGT_TSAN exclude each other: use two build folders")
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
	-Wwrite-strings -Wvla -Wformat=2 -fno-strict-aliasing -fno-common)
add_compile_definitions(_GNU_SOURCE)
if(TGT_WERROR)
	add_compile_options(-Werror)
endif()

add_link_options(-Wl,--as-needed)
if((TGT_ASAN OR TGT_TSAN) AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
	# gcc takes its own instrumentation for uses of what isn't set
	add_compile_options(-Wno-maybe-uninitialized)
endif()
if(TGT_ASAN)
	add_compile_options(-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
elseif(TGT_TSAN)
	add_compile_options(-O1 -fsanitize=thread -fno-omit-frame-pointer)
	add_link_options(-fsanitize=thread)
else()
	add_compile_options(-fstack-protector-strong)
	if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT "$ENV{CPPFLAGS} $ENV{CFLAGS}" MATCHES "_FORTIFY_SOURCE")
		add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
	endif()
	# Sanitizers leave their own symbols undefined in a shared object.
	add_link_options(-Wl,-z,defs -Wl,-z,relro,-z,now)
endif()
if(TGT_COVERAGE)
	add_compile_options(--coverage)
	add_link_options(--coverage)
endif()
