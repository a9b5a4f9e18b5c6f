# SPDX-License-Identifier: MIT
# Every test, as ./quickstart test runs it (sourced by quickstart, whose functions it uses). Counts
# what passed and failed over all of them; its last line says so.

passed=0 failed=0 skipped=0
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

count() { # passed failed skipped
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# cmocka programs say how many of their tests passed; other programs count as one test.
count_check() { # build-folder
    local log ok bad n=0 f=0 s=0
    while IFS= read -r log; do
        local result=${log%.log}.trs
        if grep -q '^:test-result: SKIP' "$result"; then
            s=$((s + 1))
        elif grep -q '\[  PASSED  \]' "$log"; then
            ok=$(awk '/\[  PASSED  \] [0-9]+ test/ { n += $4 } END { print n + 0 }' "$log")
            bad=$(sed -n 's/.*\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | head -n 1)
            n=$((n + ok)) f=$((f + ${bad:-0}))
            # A program that died after its tests has failed, whatever it counted.
            if ! grep -q '^:test-result: PASS' "$result" && [ "${bad:-0}" = 0 ]; then f=$((f + 1)); fi
        elif grep -q '^:test-result: PASS' "$result"; then
            n=$((n + 1))
        else
            f=$((f + 1))
        fi
    done < <(find "$1" -name '*.trs' | sed 's/\.trs$/.log/' | sort)
    count $n $f $s
    echo "   $n passed, $f failed, $s skipped"
}

unit_tests() { # title build-folder make-arguments…
    local title=$1 build=$2
    shift 2
    say "$title: make check"
    as_user make -C "$work/$build" -j"$(nproc)" check -k "$@" >"$work/$build.check" 2>&1 ||
        { grep -E '^(FAIL|ERROR):|error:|\*\*\*' "$work/$build.check" | head -n 40
          find "$work/$build" -name '*.trs' -exec grep -l '^:test-result: \(FAIL\|ERROR\)' {} + |
              while read -r t; do echo "--- ${t%.trs}"; tail -n 25 "${t%.trs}.log"; done; }
    count_check "$work/$build"
    # A build that broke before its tests has failed, too.
    grep -q '^# TOTAL' "$work/$build.check" || { echo "   make check did not get to its tests"; tail -n 20 "$work/$build.check"; count 0 1 0; }
}

e2e_tests() { # title build-folder pytest-arguments…
    local title=$1 build=$2 out=$reports/e2e.$RANDOM line
    shift 2
    say "$title: end to end on real servers"
    entered env ASAN_OPTIONS=detect_leaks=1 TSAN_OPTIONS=halt_on_error=1 "$work/src/tests/e2e/pytest" "$work/$build" "$@" >"$out" 2>&1 || true
    line=$(grep -E '[0-9]+ (passed|failed|error|errors|skipped)\b.* in [0-9.]+s' "$out" | tail -n 1)
    number() { sed -n "s/.*[^0-9]\([0-9][0-9]*\) $1.*/\1/p" <<<" $line"; }
    local n f e s
    n=$(number passed) f=$(number failed) e=$(number error) s=$(number skipped)
    [ "${f:-0}" = 0 ] && [ "${e:-0}" = 0 ] && [ -n "$n" ] || tail -n 150 "$out"
    [ -n "$n" ] || f=$((${f:-0} + 1))
    count "${n:-0}" $((${f:-0} + ${e:-0})) "${s:-0}"
    echo "   $line"
}

one() { # title command…
    local title=$1 out=$reports/one.$RANDOM
    shift
    if "$@" >"$out" 2>&1; then
        count 1 0 0
        echo "   $title: passed"
    else
        count 0 1 0
        echo "   $title: failed"
        tail -n 40 "$out"
    fi
}

began=$SECONDS

say "gcc: build"
configured gcc CC=gcc CFLAGS='-O2 -g' --enable-werror
built gcc all
built gcc check TESTS=
unit_tests gcc gcc
e2e_tests gcc gcc
say "gcc: bench-smoke, beside the rivals"
built gcc bench-programs
one "bench-smoke" env IMMP_RUN_AS="$user" "$work/src/tests/bench/bench" --smoke --build "$work/gcc"

say "clang with ASan and UBSan: build"
configured asan CC=clang CFLAGS='-O1 -g' --enable-werror --enable-sanitizers
built asan all
built asan check TESTS=
unit_tests "clang, ASan, UBSan" asan
e2e_tests "clang, ASan, UBSan" asan

# What has threads. Those that run a scenario hundreds of times are left to ASan.
threaded=$(cd "$top" && ls tests/unit/{loop,mail,session}/test_*.c | grep -v failing | sed 's/\.c$//' | tr '\n' ' ')
say "clang with TSan: build"
configured tsan CC=clang CFLAGS='-O1 -g' --enable-werror --enable-sanitizers=thread
built tsan all
unit_tests "clang, TSan: loop, mail, session" tsan check_PROGRAMS="$threaded" TESTS="$threaded"
e2e_tests "clang, TSan: the main job" tsan -k main_job

say "clang with coverage: the fuzz corpora"
configured coverage CC=clang CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping' --without-systemd --disable-tools
one "the corpora reach 90 % of each room's codecs" as_user "$work/src/tests/fuzz/coverage" "$work/coverage"

say "the demo, on each server"
for server in prosody ejabberd both; do
    one "demo --server $server" entered timeout 60 /usr/bin/python3 "$work/src/tests/e2e/demo.py" --build "$work/gcc" --server $server
done

say "packaging and analysis"
if [ "$(id -u)" = 0 ]; then
    one "started as root, it becomes its user" "$work/src/tests/e2e/privilege" "$work/gcc/immpd" "$user"
else
    echo "   started as root, it becomes its user: skipped, we are not root"
    count 0 0 1
fi
one "make install" as_user make -C "$work/gcc" install DESTDIR="$work/dest"
one "make distcheck" as_user make -C "$work/gcc" distcheck TESTS=tests/check-layers AM_DISTCHECK_CONFIGURE_FLAGS=
one "man pages" as_user sh -c "mandoc -T lint -W warning '$work'/src/docs/man/*.[158]"
one "cppcheck" as_user "$work/src/tests/cppcheck" "$work/src"
one "clang-tidy" as_user "$work/src/tests/clang-tidy" "$work/gcc"
one "gcc -fanalyzer" as_user "$work/src/tests/analyzer" "$work/gcc"
one "valgrind on the unit tests" as_user "$work/src/tests/valgrind" "$work/gcc"

echo "took $((SECONDS - began)) s"
printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed = 0 ]
