# SPDX-License-Identifier: BSD-2-Clause
#
# Compiler flags. The lists stand in text files, because scripts/freestanding.sh compiles with the
# very same ones.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/warning-flags.txt" RMAP_WARNING_FLAGS)
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/freestanding-flags.txt" RMAP_FREESTANDING_FLAGS)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
	"${CMAKE_CURRENT_LIST_DIR}/warning-flags.txt"
	"${CMAKE_CURRENT_LIST_DIR}/freestanding-flags.txt")

# Locks of a hosted world bring libc's declarations along, which are not ours to hide.
if(RMAP_LOCKS_HEADER)
	list(REMOVE_ITEM RMAP_FREESTANDING_FLAGS -include base/hidden.h)
endif()

if(RMAP_WERROR)
	list(APPEND RMAP_WARNING_FLAGS -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
	list(APPEND RMAP_FREESTANDING_FLAGS -mno-outline-atomics)
endif()

# Assertions stay on: RelWithDebInfo must not bring -DNDEBUG.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# The dear assertions (RMAP_DEBUG_ASSERT).
if(CMAKE_BUILD_TYPE STREQUAL "Debug" OR RMAP_SANITIZE OR RMAP_LOCKS_HEADER)
	add_compile_definitions(RMAP_DEBUG)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(RMAP_SANITIZE)
	add_compile_options("-fsanitize=${RMAP_SANITIZE}" -fno-sanitize-recover=all
		-fno-omit-frame-pointer -O1)
	add_link_options("-fsanitize=${RMAP_SANITIZE}")
	# gcc says that ThreadSanitizer does not follow fences: that can only make it report too much.
	if(RMAP_SANITIZE STREQUAL "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		add_compile_options(-Wno-tsan)
	endif()
endif()
if(RMAP_FUZZER)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()

function(rmap_freestanding_flags target)
	target_compile_options(${target} PRIVATE ${RMAP_WARNING_FLAGS} ${RMAP_FREESTANDING_FLAGS})
endfunction()

function(rmap_hosted_flags target)
	target_compile_options(${target} PRIVATE ${RMAP_WARNING_FLAGS})
	target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
endfunction()
