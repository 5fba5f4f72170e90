# SPDX-License-Identifier: BSD-2-Clause
#
# examples/NAME.c: built and run. The ones that embed tier 1 get librmap and nothing else.

rmap_room_sources(examples examples)
foreach(source IN LISTS examples)
	get_filename_component(name "${source}" NAME_WE)
	add_executable(example_${name} "${source}")
	set_target_properties(example_${name} PROPERTIES
		OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
	if(name STREQUAL "embed_tier1")
		target_link_libraries(example_${name} PRIVATE rmap)
	else()
		target_link_libraries(example_${name} PRIVATE rmap_hosted mm rmap)
	endif()
	rmap_hosted_flags(example_${name})
	rmap_test(example/${name} LABEL example COMMAND example_${name})
endforeach()
