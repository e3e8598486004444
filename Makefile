# Builds, tests and packages portcullis. Each target installs its requirements on a Debian machine with Node.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# Debian packages. The demo and the benchmarks run nginx-light and load it with wrk; the live tests of policies run
# nginx, Redis and memcached; zsh and fish test their completions, groff the manual pages; systemd checks and starts the
# example units, also as the first process of namespaces. The tables are verified against linux-source, the classic filters
# compared with libseccomp-dev; containers-common has a real OCI profile; buildah builds the image of
# docs/deployment.md; crun and runc run containers under exported profiles; skopeo copies policies to the unpacked
# docker-registry; kustomize builds deploy/kubernetes; qemu-user runs arm64 programs; lcov reads the coverage of policies,
# Chromium the pages of reports.
BUILD_PACKAGES := gcc libc6-dev make
# The analysis of C reads the header of libseccomp.
CHECK_PACKAGES := $(BUILD_PACKAGES) libseccomp-dev
DEMO_PACKAGES := $(BUILD_PACKAGES) nginx-light wrk
# The npm package has the native parts of both architectures.
PACKAGE_PACKAGES := $(BUILD_PACKAGES) $(if $(filter aarch64,$(shell uname -m)),gcc-x86-64-linux-gnu libc6-dev-amd64-cross,gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
# Programs that the tests run with pinned arguments.
PROGRAMS := bash perl git g++ tmux python3-venv postgresql default-jdk-headless golang-go
# These packages would start a server of the machine, or have a hundred dependencies (Kubernetes' schemas): they are unpacked
# to build/packages, and the libraries of the servers are installed.
UNPACKED := openssh-server vsftpd docker-registry golang-k8s-client-go-dev
UNPACKED_LIBRARIES := libwrap0 libwtmpdb0
TEST_PACKAGES := $(DEMO_PACKAGES) $(PACKAGE_PACKAGES) libseccomp-dev linux-source-6.12 golang-github-containers-common strace gdb xz-utils util-linux zsh fish bpftool libbpf-dev qemu-user groff-base \
  redis-server memcached netcat-openbsd openssl php-cgi systemd openssh-client lcov chromium fonts-dejavu-core buildah crun runc jq skopeo kustomize $(PROGRAMS) $(UNPACKED_LIBRARIES)
# Their packages enable services; the tests start daemons of their own. The interface of containerd's CRI is unpacked. Rootless
# containers have a range of users by uidmap.
CONTAINER_PACKAGES := podman conmon containerd docker.io docker-cli uidmap
CONTAINER_UNPACKED := golang-github-kubernetes-cri-api-dev
# `make test` runs the part `containers`, too (tools/changed-parts.sh).
PORTCULLIS_PARTS ?=
RUNS_CONTAINERS := $(findstring containers,$(PORTCULLIS_PARTS))
# The servers of the benchmark `surface` and its load generators. The tests run it with those that are installed: of these
# packages they install php-cgi only, because apache2, lighttpd and bind9 also start services of the machine.
SURFACE_PACKAGES := nginx-light redis-server memcached apache2 lighttpd lighttpd-mod-openssl bind9 bind9-utils bind9-dnsutils openssl php-cgi wrk redis-tools libmemcached-tools dnsperf
# The programs of the benchmark `proposals` and the clients of their loads. Some of them start services of the machine.
PROPOSALS_PACKAGES := haproxy unbound dnsmasq-base mosquitto squid varnish mariadb-server vsftpd openssh-server dropbear-bin \
  exim4-daemon-light prometheus etcd-server gunicorn default-jdk-headless php-fpm nginx-light redis-server memcached apache2 \
  lighttpd tinyproxy-bin rsync git postgresql python3 poppler-utils ffmpeg imagemagick tar sqlite3 dash curl openssl \
  openssh-client bind9-dnsutils mosquitto-clients mariadb-client etcd-client redis-tools libfcgi-bin netcat-openbsd \
  bind9 nsd knot pdns-backend-bind dovecot-imapd slapd ldap-utils uwsgi-plugin-python3 caddy ngircd beanstalkd samba smbclient \
  stunnel4 radicale prosody
# For kernel/build and the virtual machine; clang-19 and the libraries of libbpf and of the selftests are for the series'
# sample and tests; criu, libcriu-dev and libbpf-dev for checkpoints (kernel/criu); rsync, kmod and debhelper for the kernel's packaging.
KERNEL_PACKAGES := $(BUILD_PACKAGES) linux-source-6.12 xz-utils bzip2 patch perl flex bison bc cpio libelf-dev zlib1g-dev libssl-dev libcap-dev \
  dwarves lz4 qemu-system-x86 util-linux clang-19 criu libcriu-dev libbpf-dev
DEB_PACKAGES := $(KERNEL_PACKAGES) linux-config-6.12 rsync kmod debhelper python3

# The kernels are for x86-64; on other machines tests that need them are skipped with a reason.
KERNEL_TARGET := $(if $(filter x86_64,$(shell uname -m)),kernel)
KERNELS := stock patched vulnerable recent
# What runs in the machine and has loops: the kernel's tests, policies' meaning on each engine, and the kernel's benchmark.
MACHINE_TESTS := test/kernel test/setup/bench.test.ts
# What a person may give: `make fuzz SECONDS=600`, `make deb DEB_CONFIG=FILE`.
SECONDS ?= 60
# Of the stress of rooms.
ROUNDS ?= 250000
PARTS ?= 4
# `make install PREFIX=/usr DESTDIR=/tmp/staging`
PREFIX ?= /usr/local
DESTDIR ?=
DEB_CONFIG ?=
WORDS ?=
# For test-busy. Beside busy processes vitest's usual three workers get so little of the processors that the tests take hours.
BUSY ?= 8
WORKERS ?= 6

.PHONY: help setup setup-check setup-demo setup-test setup-containers setup-bench setup-proposals setup-package setup-kernel setup-deb build native native-all package install demo test test-all test-containers test-node test-busy coverage kernel vm-test rooms-stress series-check test-kernel-debug deb \
	check format goldens fuzz bench bench-programs tables clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 20

setup:
	@tools/setup.sh $(BUILD_PACKAGES)
setup-check:
	@tools/setup.sh $(CHECK_PACKAGES)
setup-demo:
	@tools/setup.sh $(DEMO_PACKAGES)
setup-test:
	@tools/setup.sh $(TEST_PACKAGES) $(if $(RUNS_CONTAINERS),$(CONTAINER_PACKAGES))
	@tools/unpack.sh $(UNPACKED) $(if $(RUNS_CONTAINERS),$(CONTAINER_UNPACKED))
setup-containers:
	@tools/setup.sh $(TEST_PACKAGES) $(CONTAINER_PACKAGES)
	@tools/unpack.sh $(CONTAINER_UNPACKED)
# clang-19 compiles the hand-written eBPF references.
setup-bench:
	@tools/setup.sh $(TEST_PACKAGES) $(SURFACE_PACKAGES) clang-19
setup-proposals:
	@tools/setup.sh $(BUILD_PACKAGES) $(PROPOSALS_PACKAGES)
setup-package:
	@tools/setup.sh $(PACKAGE_PACKAGES)
setup-kernel:
	@tools/setup.sh $(KERNEL_PACKAGES)
setup-deb:
	@tools/setup.sh $(DEB_PACKAGES)

build: setup native ## Build the files of bin/portcullis (dist/), and the test programs (build/native/)
	@npm run --silent build

native: setup
	@$(MAKE) --no-print-directory -s -C native

# The native parts of the npm package, for each architecture.
native-all: setup-package native
	@$(MAKE) --no-print-directory -s -C native CC=$(if $(filter aarch64,$(shell uname -m)),x86_64,aarch64)-linux-gnu-gcc package

package: setup-package build native-all ## Create the npm package, portcullis-VERSION.tgz
	@npm pack --silent

install: ## Install the build with manual pages and completions to PREFIX (/usr/local), below DESTDIR
	@node tools/install.mjs "$(PREFIX)" "$(DESTDIR)"

build/demo/hijacked: demo/hijacked.c
	@mkdir -p build/demo
	@$(CC) -O2 -Wall -Wextra -Werror -o $@ $<

demo: setup-demo build build/demo/hijacked ## Show a stateful policy that stops attacks on nginx
	@node dist/demo.js

# They need the other kernels for some parts only (PORTCULLIS_PARTS).
test coverage test-node test-busy: KERNELS = $(shell tools/kernels-of-parts.sh "$(PORTCULLIS_PARTS)")
test: setup-test build native-all $(KERNEL_TARGET) ## The tests
	@npm test --silent

# A new seed each time, unless one is given.
test-all: setup-test setup-containers build native-all $(KERNEL_TARGET) ## The tests and their long parts (test/support/parts.ts), with a new seed, which it prints
	@seed=$${PORTCULLIS_FUZZ_SEED:-$$(date +%s)}; echo "PORTCULLIS_FUZZ_SEED=$$seed"; \
	PORTCULLIS_FUZZ_SEED=$$seed PORTCULLIS_PARTS=agent,bench,closed-sets,containers,coverage,exploits,kernel,kernels,machine,nodes,programs,random,sizes,trees,users npm test --silent

# A runtime that cannot run here is named with the reason. The table is docs/containers.md's.
test-containers: setup-containers build native ## Containers of crun, runc, podman, docker, containerd and its CRI under an agent, and the agent under systemd
	@rm -f build/container-cases; mkdir -p build; \
	export PORTCULLIS_CONTAINER_CASES=build/container-cases; \
	npm test --silent -- test/containers test/systemd --no-file-parallelism; status=$$?; \
	node tools/container-table.mjs build/container-cases; exit $$status

coverage: setup-test build native-all $(KERNEL_TARGET) ## All tests, and the share of each folder of src that they execute (WORDS=PATHS)
	@npm test --silent -- --coverage $(WORDS)

# WORDS="test/cli test/live" runs the files whose path contains one of them.
test-node: setup-test build native-all $(KERNEL_TARGET) ## All tests on the newest Node of each other release line (WORDS=PATHS for some)
	@node tools/node.mjs test $(WORDS)

test-busy: setup-test build native-all $(KERNEL_TARGET) ## All tests, by WORKERS=6 workers, beside BUSY=8 processes that compute (WORDS=PATHS for some)
	@PORTCULLIS_PATIENCE=4 tools/busy.sh $(BUSY) npm test --silent -- --maxWorkers=$(WORKERS) $(WORDS)

# Without access to Debian's archive the tests on the fetched kernel are skipped with the reason.
kernel: setup-kernel ## Build the kernels of the tests: stock, patched and vulnerable, and fetch a recent one (kernel/README.md)
	@kernel/build $(filter-out recent,$(KERNELS))
	@$(if $(filter recent,$(KERNELS)),kernel/fetch || true)
	@$(MAKE) --no-print-directory -s -C kernel
	@$(MAKE) --no-print-directory -s -C kernel/criu

vm-test: setup-test build kernel ## The tests in a virtual machine with these kernels
	@PORTCULLIS_PARTS=kernels npm test --silent -- test/kernel

# The host's time limit is that of the selftest, an hour for each part, and some for the machine.
rooms-stress: kernel ## 64 threads contend for a room on the patched kernel: ROUNDS=250000 each, in each of PARTS=4 runs
	@kernel/vm run --timeout $$(($(PARTS) * 4000)) --env SECCOMP_EBPF_ROUNDS=$(ROUNDS) -- sh -c 'for part in $$(seq $(PARTS)); do "$$0" -r rooms.stress || exit; done' $$(kernel/build --path patched)/selftests/seccomp_ebpf_rooms

# Each prefix of the series must build and pass its tests.
series-check: setup-test setup-kernel build ## Build and test the series patch by patch
	@kernel/series-check

# On the debug kernel a minute becomes most of an hour, so its tests have as few iterations as in `make test`.
test-kernel-debug: setup-test setup-kernel build ## The machine's tests with all iterations, then on the kernels that check themselves
	@kernel/build stock patched nojit debug kcsan vulnerable
	@$(MAKE) --no-print-directory -s -C kernel
	@PORTCULLIS_PARTS=kernels PORTCULLIS_FULL=1 npm test --silent -- $(MACHINE_TESTS)
	@PORTCULLIS_PARTS=kernels PORTCULLIS_KERNEL=debug npm test --silent -- $(MACHINE_TESTS)
	@PORTCULLIS_KERNEL=kcsan npm test --silent -- test/kernel/ebpf-filters.test.ts

deb: setup-deb ## Package the patched kernel (DEB_CONFIG=FILE instead of Debian's configuration)
	@kernel/deb $(DEB_CONFIG)

check: setup-check ## Types, style, analysis of C, spelling, dead exports, layout and links
	@npm run --silent check

goldens: setup-test build ## Rewrite the expected texts of tests and documents; review the diff
	@PORTCULLIS_UPDATE=1 npx vitest run test/goldens src/analysis/explain test/language/rejected test/docs/language test/docs/engines test/cli/help test/types/closed-sets

format: setup ## Format the sources, C and TypeScript
	@npm run --silent format

fuzz: setup-test build ## Random policies, traces and bytes: SECONDS=60 each (longer is better); findings in build/fuzz
	@PORTCULLIS_FUZZ_SECONDS=$(SECONDS) npx vitest run fuzz differential property agreement

build/bench/%: bench/reference/%.c bench/reference/listener.h bench/reference/under_filter.h
	@mkdir -p build/bench
	@$(CC) -O2 -Wall -Wextra -Werror -pthread -o $@ $< $(LDLIBS)
LDLIBS :=
build/bench/deny_list: LDLIBS := -lseccomp

BENCH_REFERENCES = $(patsubst bench/reference/%.c,build/bench/%,$(wildcard bench/reference/*.c))

bench: setup-bench build $(KERNEL_TARGET) ## All benchmarks; one: npm run bench -- NAME --json
	@npm run --silent bench

# The measured programs and the references, for tools/bench.mjs.
bench-programs: $(BENCH_REFERENCES)

tables: setup-test ## Generate the system call tables from Debian's linux-source
	@npm run --silent generate

clean: ## Remove the build
	rm -rf dist build
