# SPDX-License-Identifier: BSD-2-Clause
#
# bench/*.c make rmap-bench. The tests only see that these programs run, and that what they did was right.

rmap_room_sources(bench bench)
if(bench)
	add_executable(rmap_bench ${bench})
	set_target_properties(rmap_bench PROPERTIES
		OUTPUT_NAME rmap-bench RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
	target_link_libraries(rmap_bench PRIVATE rmap_tool rmap_testport rmap_hosted mm rmap)
	rmap_hosted_flags(rmap_bench)
	rmap_test(bench/quick LABEL bench COMMAND rmap_bench --quick)
	rmap_test(bench/design LABEL bench COMMAND rmap_bench --quick --engine --json --design lineage)
endif()

# bench/scale/*.c make rmap-scale: what threads cost each other.
rmap_room_sources(scale bench/scale)
if(scale)
	add_executable(rmap_scale ${scale})
	set_target_properties(rmap_scale PROPERTIES
		OUTPUT_NAME rmap-scale RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
	target_link_libraries(rmap_scale PRIVATE rmap_hosted mm rmap rmap_tool_libraries)
	rmap_hosted_flags(rmap_scale)
	rmap_test(bench/scale LABEL bench ENVIRONMENT "RMAP_SCALE=$<TARGET_FILE:rmap_scale>"
		COMMAND bash "${PROJECT_SOURCE_DIR}/bench/scale/test.sh")
endif()

# What bench/live/run.py measures with.
foreach(program family plain)
	add_executable(rmap_live_${program} "bench/live/${program}.c")
	set_target_properties(rmap_live_${program} PROPERTIES
		OUTPUT_NAME rmap-live-${program} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
	rmap_hosted_flags(rmap_live_${program})
endforeach()

# bench/hostile/*.c make rmap-hostile: what one process can do to others.
rmap_room_sources(hostile bench/hostile)
if(hostile)
	add_executable(rmap_hostile ${hostile})
	set_target_properties(rmap_hostile PROPERTIES
		OUTPUT_NAME rmap-hostile RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
	target_link_libraries(rmap_hostile PRIVATE rmap_hosted mm rmap rmap_tool_libraries)
	rmap_hosted_flags(rmap_hostile)
	rmap_test(bench/hostile LABEL bench COMMAND rmap_hostile --quick)
endif()
