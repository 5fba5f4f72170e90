# SPDX-License-Identifier: BSD-2-Clause
#
# fuzz/fuzz_NAME.c holds LLVMFuzzerTestOneInput(). Every build links it with fuzz/standalone.c, which
# replays fuzz/corpus/NAME and inputs mutated from it, so that old findings stay found without
# libFuzzer. With RMAP_FUZZER the same file is linked with libFuzzer instead.

# fuzz/ops_*.c carry out sequences of operations under all designs; fuzz/long.c, the command rmap-fuzz, does so by the million.
file(GLOB fuzz_ops_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/ops_*.c")
rmap_hosted_library(rmap_fuzz_ops ${fuzz_ops_sources})
rmap_link(rmap_fuzz_ops rmap_tool rmap_testport rmap_hosted mm rmap)
target_include_directories(rmap_fuzz_ops ${rmap_fuzz_ops_scope} "${PROJECT_SOURCE_DIR}/fuzz")
add_executable(rmap_fuzz "${PROJECT_SOURCE_DIR}/fuzz/long.c")
set_target_properties(rmap_fuzz PROPERTIES
	OUTPUT_NAME rmap-fuzz RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
target_link_libraries(rmap_fuzz PRIVATE rmap_fuzz_ops)
rmap_hosted_flags(rmap_fuzz)
set(RMAP_FUZZ_SEEDS 40 CACHE STRING "Random sequences of operations in the tests")
if(NOT RMAP_FUZZER)
	rmap_test(fuzz/random LABEL fuzz
		COMMAND rmap_fuzz --quiet --seeds 1..${RMAP_FUZZ_SEEDS})
endif()

file(GLOB fuzzers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.c")
set(RMAP_FUZZ_MUTANTS 200 CACHE STRING "Mutated inputs per fuzz target in the tests")
foreach(source IN LISTS fuzzers)
	get_filename_component(target "${source}" NAME_WE)
	string(REGEX REPLACE "^fuzz_" "" name "${target}")
	if(RMAP_FUZZER)
		add_executable(${target} "${source}")
		target_link_options(${target} PRIVATE -fsanitize=fuzzer)
	else()
		add_executable(${target} "${source}" "${PROJECT_SOURCE_DIR}/fuzz/standalone.c")
	endif()
	set_target_properties(${target} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
	target_link_libraries(${target} PRIVATE rmap_tool rmap_testport rmap_hosted mm rmap)
	if(target STREQUAL fuzz_ops)
		target_link_libraries(${target} PRIVATE rmap_fuzz_ops)
	endif()
	rmap_hosted_flags(${target})
	if(NOT RMAP_FUZZER)
		file(GLOB corpus CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}/*")
		if(corpus)
			set(corpus "${PROJECT_SOURCE_DIR}/fuzz/corpus/${name}")
		endif()
		rmap_test(fuzz/${name} LABEL fuzz COMMAND ${target}
			-generate ${RMAP_FUZZ_MUTANTS} 1 ${corpus})
	endif()
endforeach()

# And a mistake for it to find: of two that share a page, a write finds it unshared.
if(NOT RMAP_FUZZER)
	add_executable(rmap_fuzz_planted "${PROJECT_SOURCE_DIR}/fuzz/long.c"
		"${PROJECT_SOURCE_DIR}/tests/verify/planted.c")
	target_compile_definitions(rmap_fuzz_planted PRIVATE "PLANTED=2")
	target_link_libraries(rmap_fuzz_planted PRIVATE rmap_fuzz_ops)
	target_link_options(rmap_fuzz_planted PRIVATE "-Wl,--wrap=fault_cow")
	rmap_hosted_flags(rmap_fuzz_planted)
	rmap_test(fuzz/planted LABEL fuzz COMMAND rmap_fuzz_planted --quiet --seeds 1..8)
	set_tests_properties(fuzz/planted PROPERTIES PASS_REGULAR_EXPRESSION "something is wrong")
endif()
