# SPDX-License-Identifier: BSD-2-Clause
#
# A room is a folder of C files. While it is empty its library is an INTERFACE one, so that whoever
# links it need not ask.

# The C files of the folders given, sorted.
function(rmap_room_sources out)
	set(all)
	foreach(room IN LISTS ARGN)
		file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${room}/*.c")
		list(APPEND all ${files})
	endforeach()
	list(SORT all)
	set(${out} "${all}" PARENT_SCOPE)
endfunction()

# Sets <name>_scope to PUBLIC, or to INTERFACE for an empty room.
macro(rmap_library_begin name)
	if("${ARGN}" STREQUAL "")
		add_library(${name} INTERFACE)
		set(${name}_scope INTERFACE)
	else()
		add_library(${name} STATIC ${ARGN})
		set(${name}_scope PUBLIC)
	endif()
	set(${name}_scope ${${name}_scope} PARENT_SCOPE)
endmacro()

# Links a library of a room to what stands below it.
function(rmap_link name)
	foreach(below IN LISTS ARGN)
		target_link_libraries(${name} ${${name}_scope} ${below})
	endforeach()
endfunction()

# A freestanding library: its archive lands in the top of the build folder.
function(rmap_freestanding_library name)
	rmap_library_begin(${name} ${ARGN})
	target_include_directories(${name} ${${name}_scope}
		"$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
		"$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
	if(RMAP_LOCKS_HEADER)
		target_include_directories(${name} ${${name}_scope}
			"$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/port>")
		target_compile_definitions(${name} ${${name}_scope}
			"$<BUILD_INTERFACE:RMAP_LOCKS_HEADER=\"${RMAP_LOCKS_HEADER}\">")
	endif()
	if(NOT "${ARGN}" STREQUAL "")
		target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
		set_target_properties(${name} PROPERTIES
			ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
		rmap_freestanding_flags(${name})
	endif()
endfunction()

# A library of the hosted world.
function(rmap_hosted_library name)
	rmap_library_begin(${name} ${ARGN})
	target_include_directories(${name} ${${name}_scope}
		"${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/port"
		"${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
	if(NOT "${ARGN}" STREQUAL "")
		set_target_properties(${name} PROPERTIES
			ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
		rmap_hosted_flags(${name})
	endif()
endfunction()
