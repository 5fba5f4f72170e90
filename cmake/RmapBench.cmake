# SPDX-License-Identifier: BSD-2-Clause
#
# bench/*.c make one program, rmap-bench. The tests only see that it runs.

rmap_room_sources(bench bench)
if(bench)
	add_executable(rmap_bench ${bench})
	set_target_properties(rmap_bench PROPERTIES
		OUTPUT_NAME rmap-bench RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
	target_link_libraries(rmap_bench PRIVATE rmap_tool rmap_testport rmap_hosted mm rmap)
	rmap_hosted_flags(rmap_bench)
	rmap_test(bench/quick LABEL bench COMMAND rmap_bench --quick)
endif()
