# SPDX-License-Identifier: BSD-2-Clause
#
# What `make install` puts where: headers, both archives, the command, its man pages, and for those
# who link the libraries rmap.pc, libmm.pc and a CMake package with rmap::rmap and rmap::mm.

include(CMakePackageConfigHelpers)

install(DIRECTORY include/rmap DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
	FILES_MATCHING PATTERN "*.h")
install(TARGETS rmap mm EXPORT rmap-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET rmap_command)
	install(TARGETS rmap_command RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# --- man pages: man/NAME.SECTION.scd ----------------------------------------------------------------

file(GLOB manuals CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.scd")
if(manuals)
	find_program(SCDOC scdoc)
	if(NOT SCDOC)
		message(FATAL_ERROR
			"The program 'scdoc' is missing. Run scripts/setup.sh, which installs all that is needed.")
	endif()
	foreach(source IN LISTS manuals)
		get_filename_component(page "${source}" NAME_WLE)
		string(REGEX MATCH "[0-9]$" section "${page}")
		set(output "${PROJECT_BINARY_DIR}/man/${page}")
		add_custom_command(OUTPUT "${output}" DEPENDS "${source}" VERBATIM
			COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/man"
			COMMAND sh -c "\"$0\" <\"$1\" >\"$2.new\" && mv \"$2.new\" \"$2\""
				"${SCDOC}" "${source}" "${output}"
			COMMENT "Writing the man page ${page}")
		list(APPEND pages "${output}")
		install(FILES "${output}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
	endforeach()
	add_custom_target(rmap_man ALL DEPENDS ${pages})
endif()

# --- for those who link the libraries ---------------------------------------------------------------

# The prefix as seen from where the .pc files lie, so that an installed tree can be moved.
file(RELATIVE_PATH RMAP_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" RMAP_PC_UP "${RMAP_PC_UP}")
configure_file(cmake/rmap.pc.in rmap.pc @ONLY)
configure_file(cmake/libmm.pc.in libmm.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/rmap.pc" "${PROJECT_BINARY_DIR}/libmm.pc"
	DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

set(rmap_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rmap")
install(EXPORT rmap-targets NAMESPACE rmap:: DESTINATION "${rmap_package_dir}")
configure_package_config_file(cmake/rmap-config.cmake.in rmap-config.cmake
	INSTALL_DESTINATION "${rmap_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/rmap-config-version.cmake"
	COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/rmap-config.cmake"
	"${PROJECT_BINARY_DIR}/rmap-config-version.cmake" DESTINATION "${rmap_package_dir}")
