# SPDX-License-Identifier: BSD-2-Clause
#
# Workloads and records as tests: the command must replay them with the checker on and exit with 0.

# rmap_workload_test(NAME FILE LABEL label [TIMEOUT seconds] [LONG] OPTION...)
function(rmap_workload_test name file)
	cmake_parse_arguments(arg "LONG" "LABEL;TIMEOUT" "" ${ARGN})
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()
	set(long)
	if(arg_LONG)
		set(long LONG)
	endif()
	rmap_test(${name} LABEL ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ${long}
		COMMAND rmap_command run ${arg_UNPARSED_ARGUMENTS} "${file}")
endfunction()

if(NOT TARGET rmap_command)
	return()
endif()

# Scenarios: the tables of semantics and self-tests, and every other .rmw file that states what it expects.
file(GLOB_RECURSE scenarios CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/workloads/*.rmw")
list(FILTER scenarios EXCLUDE REGEX "/workloads/records/")
foreach(file IN LISTS scenarios)
	file(STRINGS "${file}" expectations REGEX "^[ \t]*expect" LIMIT_COUNT 1)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
	if(expectations OR file MATCHES "/workloads/(semantics|selftests)/")
		file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}/workloads" "${file}")
		string(REGEX REPLACE "\\.rmw$" "" name "${name}")
		rmap_workload_test(scenario/${name} "${file}" LABEL scenario --check=1)
		foreach(design IN LISTS RMAP_OTHER_DESIGNS)
			rmap_workload_test(${design}/scenario/${name} "${file}" LABEL design
				--check=1 --design ${design})
		endforeach()
	endif()
endforeach()

# Every case of three VMAs side by side, and one mremap in 41.
foreach(cases neighbours "moves:every=41")
	string(REGEX REPLACE ":.*" "" name "${cases}")
	rmap_test(scenario/${name} LABEL scenario COMMAND rmap_command run ${cases} --check)
	foreach(design IN LISTS RMAP_OTHER_DESIGNS)
		rmap_test(${design}/scenario/${name} LABEL design
			COMMAND rmap_command run ${cases} --check --design ${design})
	endforeach()
	if(RMAP_HOUSE_TESTS)
		rmap_test(verify/${name} LABEL verify TIMEOUT 600
			COMMAND "${PROJECT_SOURCE_DIR}/tests/verify/agree.sh" $<TARGET_FILE:rmap_command> ${cases})
	endif()
endforeach()

# What the live kernel has agreed to once (workloads/verified.txt) it must agree to again, where it can be asked.
set(record "${PROJECT_SOURCE_DIR}/workloads/verified.txt")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${record}")
file(STRINGS "${record}" agreed REGEX "^[0-9a-f]+ [^ ]+ agreed")
foreach(line IN LISTS agreed)
	string(REGEX REPLACE "^[0-9a-f]+ ([^ ]+) .*$" "\\1" name "${line}")
	if(NOT RMAP_SANITIZE AND EXISTS "${PROJECT_SOURCE_DIR}/workloads/${name}.rmw")
		set(swap)
		if(line MATCHES ", swap$")
			set(swap --swap)
		endif()
		rmap_test(verify/${name} LABEL verify
			COMMAND "${PROJECT_SOURCE_DIR}/tests/verify/agree.sh" $<TARGET_FILE:rmap_command>
				"${PROJECT_SOURCE_DIR}/workloads/${name}.rmw" ${swap})
		# Each has a swap file of its own, and none is to see another's pages go there.
		if(swap)
			set_tests_properties(verify/${name} PROPERTIES RESOURCE_LOCK swap)
		endif()
	endif()
endforeach()

file(GLOB records CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/workloads/records/*.rmrec")
foreach(file IN LISTS records)
	get_filename_component(name "${file}" NAME_WE)
	rmap_workload_test(record/${name} "${file}" LABEL record TIMEOUT 300 --check)
	# With a quarter of the memory it had, and everything brought back from swap to be looked at.
	rmap_workload_test(record/${name}-quarter "${file}" LABEL record TIMEOUT 300
		--check --verify --frames 25%)
	foreach(design IN LISTS RMAP_OTHER_DESIGNS)
		rmap_workload_test(${design}/record/${name} "${file}" LABEL record TIMEOUT 300
			--check --design ${design})
		# Reclaim under scan reads all page tables for each page that it takes.
		set(long)
		if(design STREQUAL scan)
			rmap_workload_test(${design}/record/${name}-short "${file}" LABEL record TIMEOUT 300
				--check --verify --frames 80% --design ${design})
			set(long LONG)
		endif()
		rmap_workload_test(${design}/record/${name}-quarter "${file}" LABEL record TIMEOUT 1800
			${long} --check --verify --frames 25% --design ${design})
	endforeach()
endforeach()
