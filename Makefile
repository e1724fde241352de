# SPDX-License-Identifier: MIT
# What a person expects of make; CMake does the work.  `make help` lists the targets.
BUILD ?= build
BUILD_TYPE ?= RelWithDebInfo
PREFIX ?= /usr/local
CMAKE_ARGS ?=
GENERATOR := $(if $(shell command -v ninja),-G Ninja)
configure = cmake -S . -B $(1) $(if $(wildcard $(1)/CMakeCache.txt),,$(GENERATOR)) -DCMAKE_BUILD_TYPE=$(BUILD_TYPE)

.PHONY: all check full run install deb bench format tidy clean help
all: ## build tgtd, tgtadm and every backing store into build/
	@$(call configure,$(BUILD)) -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD)

check: ## build all variants and run every test; MODULE=name runs one store's only
	@ci/check $(if $(MODULE),--module $(MODULE))

full: ## the tests of every store under every sanitizer (hours)
	@ci/full

run: ## a target with a 1 GiB disk on 127.0.0.1:3260, until Ctrl-C
	@ci/demo

install: all ## install below PREFIX (/usr/local); DESTDIR= to stage it elsewhere
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

deb: ## Debian packages: the core, each store, -dev; into build/deb/packages/
	@ci/deb

bench: ## compare the speed with that of Debian's tgt 1.0, in one run
	@ci/bench

format: ## let clang-format rewrite the C files
	@find include src backing-store tests examples tools -name '*.[ch]' -exec clang-format -i {} +

tidy: ## clang-tidy over the tree
	@ci/tidy

clean: ## remove what was built (build/deps, which was downloaded, stays)
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +
	@rm -rf out

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile
