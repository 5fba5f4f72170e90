# SPDX-License-Identifier: BSD-2-Clause
#
# rmap_test(NAME LABEL label [TIMEOUT seconds] [SERIAL] [LONG] [ENVIRONMENT VAR=value...] COMMAND command...)
#
# LONG: only `ctest -C Long` runs it (`make check-long`).
# Sanitized builds get four times as long. A test that exits with 77 is skipped; it prints `skipped: reason`.

function(rmap_test name)
	cmake_parse_arguments(arg "SERIAL;LONG" "LABEL;TIMEOUT" "COMMAND;ENVIRONMENT" ${ARGN})
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()
	if(RMAP_SANITIZE)
		math(EXPR arg_TIMEOUT "4 * ${arg_TIMEOUT}")
	endif()
	if(arg_LONG)
		add_test(NAME ${name} COMMAND ${arg_COMMAND} CONFIGURATIONS Long)
	else()
		add_test(NAME ${name} COMMAND ${arg_COMMAND})
	endif()
	set_tests_properties(${name} PROPERTIES
		LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
	if(arg_SERIAL)
		set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
	endif()
	if(arg_ENVIRONMENT)
		set_tests_properties(${name} PROPERTIES ENVIRONMENT "${arg_ENVIRONMENT}")
	endif()
endfunction()
