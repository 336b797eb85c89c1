# aegis: `make run` trades on paper, `make test` proves it. Both do all the set-up on a fresh Debian machine.

SHELL := /bin/bash
PACKAGES := libcurl4-openssl-dev libpq-dev libhiredis-dev libffi-dev libsqlite3-dev zlib1g-dev pkg-config binutils gcc
TEST_PACKAGES := postgresql redis-server python3 curl rsync
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CONFIGURATION ?= release
BUILD_FLAGS ?=

.PHONY: build run test soak conformance bench lint format deps test-deps toolchain plugins trusted sdk clean

build: deps
	swift build -c $(CONFIGURATION) $(BUILD_FLAGS) --product aegis
	swift build -c $(CONFIGURATION) $(BUILD_FLAGS) --product aegis-plugin-host
	swift build -c $(CONFIGURATION) $(BUILD_FLAGS) --product trend_follower
	swift build -c $(CONFIGURATION) $(BUILD_FLAGS) --product indicators
	@mkdir -p build/plugins
	@bin=$$(swift build -c $(CONFIGURATION) $(BUILD_FLAGS) --show-bin-path) && \
	  install -m 0755 $$bin/aegis $$bin/aegis-plugin-host build/ && \
	  install -m 0755 $$bin/libtrend_follower.so $$bin/libindicators.so build/plugins/
	$(MAKE) --no-print-directory plugins sdk

# Plugins that need no Swift: one exported symbol, never unmapped.
plugins:
	@mkdir -p build/plugins
	$(MAKE) --no-print-directory -C Plugins/TrendFollowerC OUT=$(CURDIR)/build/plugins
	$(MAKE) --no-print-directory trusted

# What is built here is trusted by its hash; the engine reads the list beside its plugins. Nothing else in the folder is
# on it.
BUNDLED := libtrend_follower.so libtrend_follower_c.so libindicators.so
trusted:
	@cd build/plugins && for file in $(BUNDLED); do [ ! -e $$file ] || sha256sum $$file; done >trusted.sha256.new \
	  && chmod 0644 trusted.sha256.new && mv trusted.sha256.new trusted.sha256

# The SDK beside the program, where `aegis plugins new` finds it; without what building leaves in the sources.
sdk:
	@mkdir -p build && rm -rf build/plugin-sdk.new && cp -R plugin-sdk build/plugin-sdk.new && \
	  rm -rf build/plugin-sdk.new/.build build/plugin-sdk.new/rust/aegis-plugin/target && \
	  chmod -R go-w build/plugin-sdk.new && rm -rf build/plugin-sdk && mv build/plugin-sdk.new build/plugin-sdk

run: build
	@exec build/aegis run

test: test-deps
	Tests/run

soak: build
	Tests/soak

conformance: build
	@echo "conformance: nothing beyond make test yet"

bench: build
	Benchmarks/run.sh

lint:
	swift format lint --strict -r Sources Plugins Tests plugin-sdk Benchmarks Package.swift

format:
	swift format -i -r Sources Plugins Tests plugin-sdk Benchmarks Package.swift

toolchain:
	@command -v swift >/dev/null || { \
	  echo "make: Swift 6.3 is needed and was not found: install it from https://www.swift.org/install and put it on PATH." >&2; exit 1; }

deps: toolchain
	@missing=(); for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); done; \
	if (( $${#missing[@]} )); then echo "installing $${missing[*]}"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq $${missing[*]} >/dev/null; fi

test-deps: deps
	@missing=(); for p in $(TEST_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); done; \
	if (( $${#missing[@]} )); then echo "installing $${missing[*]}"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq $${missing[*]} >/dev/null; fi

clean:
	rm -rf .build build
