# SPDX-License-Identifier: BSD-2-Clause
#
# Libraries of the hosted world, looked for only when a room that needs them holds files.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(rmap_port_libraries INTERFACE)
add_library(rmap_tool_libraries INTERFACE)
target_link_libraries(rmap_port_libraries INTERFACE Threads::Threads)

# Finds a pkg-config module, or says in a sentence what to do.
function(rmap_need library module)
	string(MAKE_C_IDENTIFIER "RMAP_PC_${module}" prefix)
	pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
	if(NOT ${prefix}_FOUND)
		message(FATAL_ERROR
			"The library '${module}' is missing. Run scripts/setup.sh, which installs all that is needed.")
	endif()
	target_link_libraries(${library} INTERFACE PkgConfig::${prefix})
endfunction()

file(GLOB rmap_hosted_rooms CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/port/*/*.c")
file(GLOB rmap_tool_rooms CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/rmap/*.c")
if(rmap_hosted_rooms)
	rmap_need(rmap_port_libraries liburcu-memb)
	rmap_need(rmap_port_libraries libzstd)
	rmap_need(rmap_port_libraries libxxhash)
endif()
if(rmap_tool_rooms)
	# floor(): gcc makes an instruction of it, clang a call.
	target_link_libraries(rmap_tool_libraries INTERFACE m)
	rmap_need(rmap_tool_libraries jansson)
	rmap_need(rmap_tool_libraries libzstd)
	rmap_need(rmap_tool_libraries libxxhash)
	rmap_need(rmap_tool_libraries libtraceevent)
	rmap_need(rmap_tool_libraries libtracefs)
	rmap_need(rmap_tool_libraries libdw)
	rmap_need(rmap_tool_libraries libelf)
endif()
