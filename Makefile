# SPDX-License-Identifier: BSD-2-Clause
all:
	cmake --preset release
	cmake --build --preset release
.PHONY: all
