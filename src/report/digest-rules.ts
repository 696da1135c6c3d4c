/** How a tool says that something is wrong. Tried in order on every line that may be an error; the first that fits decides. */
export interface Rule {
  tool: string
  /** 3: the error itself; 2: an error, unless it is tried again or a graver one follows; 1: what follows from an error, the error is somewhere above. */
  rank: 1 | 2 | 3
  /** Groups `file` and `line` name the place. */
  match: RegExp
  /** Only where a line like this came before. */
  after?: RegExp
  /** How many lines above belong to it, from the last one that fits `since` where that is given. */
  above?: number
  since?: RegExp
  /** The place, looked for in the lines below. */
  below?: RegExp
  /** The place, looked for in the lines above, nearest first. */
  behind?: RegExp
  /** Rank 3 where the place is found below. */
  promote?: boolean
}

/**
 * Lines without any of these, and chunks without any, are never looked at. Each alternative has four characters or more,
 * by which V8 searches ten times faster. Bytes of UTF-8 are read as Latin-1: ✕ ✖ ✗ ✘, ●, ×. To be tested with a line feed in front.
 */
export const suspicious =
  /error|fail|fatal|exception|traceback|undefined|not found|no such|no rule|cannot|can't|could not|unable|denied|killed|panic|abort|segmentation|memory|no space|not ok|\*\*\* |\nE: |E {3}|assert|conflict|rejected|data race|died|missing|runtime|\n! [A-Z]|[ \n]1\) |\.go:\d|\.py:\d|\.rb:\d|\.php:\d|curl: |\xe2\x9c[\x95-\x98] |\xe2\x97\x8f | \xc3\x97 | {2}x \S|invalid|interrupt|overflow|terminate|refused|timed out|resolve|multiple definition|duplicate symbol|unbound|line \d|uninitiali[sz]ed|definitely lost|\(core dumped\)|\ne: file/i

/** Lines that speak of errors and are none. */
export const harmless = [
  // Bash traces show commands, not their failures.
  /^\++ /,
  /^\s*(?:ok \d+|✓|✔|√|PASS(?:ED)?[: ]|--- PASS|=== (?:RUN|PAUSE|CONT|NAME)|\[ +(?:OK|RUN|PASSED) +\])/,
  /\.{2,} ?(?:ok|yes|no|passed|PASSED|skipped|none|done)\b|\bPASSED\b(?!.*FAILED)/,
  /\b(?:0|no|zero|without) (?:errors?|failures?|failed|tests? failed|problems?)\b/i,
  /\b(?:errors?|failures?|failed)[:= ]+"?0\b(?!\.)(?!.*(?:errors?|failures?|failed)[:= ]+"?[1-9])/i,
  /\(ignored\)|non-fatal|# (?:TODO|SKIP)\b/i,
  /^(?:\S*\/)?(?:[\w-]*-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|ld|ar|rustc|javac|ranlib|install|libtool|\/bin\/sh|mkdir|cp|mv|rm|echo|cd|test) (?![A-Za-z:]*:)/,
  /^\s*(?:CC|CXX|LD|AR|AS|GEN|HOSTCC|STRIP|INSTALL|Compiling|Checking|Building|Downloading|Downloaded|Installing|Running|Scanning|Generating|Linking|Fresh|Unpacking|Selecting|Get:\d+|Collecting|copying|creating|adding)\b(?!.*\berror:)/,
  /^\[\s*\d+%\] |^\[\d+\/\d+\] (?!.*(?:FAILED|error:))/,
  /^\s*(?:\[(?:INFO|DEBUG|WARN(?:ING)?|info|debug|warn)\]|INFO|DEBUG|WARN(?:ING)?)[ :|]/,
  /^(?:\S+?:\d+(?::\d+)?: )?(?:warning|note|remark|hint|info)\b[: [(]/i,
  /DeprecationWarning|ExperimentalWarning|FutureWarning|UserWarning|^npm (?:warn|WARN|notice)|^WARNING:(?! DATA RACE| ThreadSanitizer)/,
]

/** What says that the error just above is being tried again. */
export const triedAgain = /\bretrying\b|will (?:retry|try again)|trying again|retry (?:in|after|#?\d)|\battempt (?:[2-9]|\d\d)|falling back to|using (?:the )?(?:cached|fallback)|\(ignored\)$/i

const source = String.raw`(?<file>(?:[A-Za-z]:[\\/])?[^\s:()'"]{1,300}?)`

export const rules: Rule[] = [
  // Memory, disk, signals: whatever else is said follows from these.
  { tool: 'memory', rank: 3, match: /\bout of memory\b|Cannot allocate memory|virtual memory exhausted|Killed signal terminated|std::bad_alloc|\boom-kill|\bOutOfMemoryError\b|^MemoryError\b|(?:^|\s)Killed(?:$|\s{2,})|^Killed\b/i, above: 2 },
  { tool: 'disk', rank: 3, match: /No space left on device|ENOSPC|Disk quota exceeded|Read-only file system/ },
  { tool: 'sanitizer', rank: 3, match: /ERROR: (?:Address|Leak|Memory|Thread)Sanitizer|WARNING: (?:ThreadSanitizer|DATA RACE)/, below: /(?: in \S+ |^\s+)(?<file>(?!\S*libsanitizer)[^\s:()]+):(?<line>\d+)(?::\d+| \+0x|$)/ },
  { tool: 'sanitizer', rank: 3, match: new RegExp(String.raw`^${source}:(?<line>\d+):\d+: runtime error: `) },

  { tool: 'valgrind', rank: 3, match: /^==\d+== (?:Invalid (?:read|write|free)|Conditional jump|Use of uninit|Process terminating|Mismatched free|\S+ bytes in \S+ blocks are definitely lost)/, below: /\((?<file>[^():]+):(?<line>\d+)\)/ },

  // Compilers and linkers.
  { tool: 'compiler', rank: 3, match: new RegExp(String.raw`^(?:\[error\] |e: (?:file://)?|ERROR: |vet: )?${source}:(?<line>\d+)(?:[:.]\d+(?:-\d+)?)?:? (?:- )?(?:fatal |internal compiler |syntax )?(?:error|ERROR)\b(?: TS\d+)?(?:\[[\w-]+\])?[: ]`) },
  { tool: 'compiler', rank: 3, match: new RegExp(String.raw`^\s*${source}\((?<line>\d+)(?:,\d+)*\)\s?: (?:fatal )?error\b[: ]`) },
  { tool: 'maven', rank: 3, match: new RegExp(String.raw`^\[ERROR\] ${source}:\[(?<line>\d+),\d+\] `) },
  { tool: 'scala', rank: 3, match: new RegExp(String.raw`^\[error\] ${source}:(?<line>\d+)(?::\d+)?: `) },
  { tool: 'kotlin', rank: 3, match: /^e: (?:file:\/\/)?(?<file>[^\s:]+):(?:\()?(?<line>\d+)[:,]/ },
  { tool: 'bazel', rank: 2, match: /^ERROR: (?<file>\S+?):(?<line>\d+):\d+: / },
  { tool: 'rust', rank: 3, match: /^error\[E\d{4}\]: /, below: /^\s*--> (?<file>.+?):(?<line>\d+):\d+/ },
  { tool: 'rust', rank: 3, match: /^thread '.*' (?:\(\d+\) )?panicked at (?:'.*', )?(?<file>[^\s:']+):(?<line>\d+):\d+/, above: 1, since: /^---- .* stdout ----/ },
  { tool: 'go', rank: 3, match: /^(?:vet: )?(?:\.{0,2}\/)?(?<file>[\w@./-]+\.go):(?<line>\d+)(?::\d+)?: (?!\s*(?:Log|PASS|ok)\b)/, above: 1, since: /^# / },
  { tool: 'go', rank: 3, match: /^panic: /, below: /^\s+(?<file>(?!\/usr\/(?:local\/)?(?:lib\/)?go)\S+\.go):(?<line>\d+) \+0x/ },
  { tool: 'linker', rank: 3, match: new RegExp(String.raw`^(?:\S*ld(?:\.\w+)?: )?${source}:(?<line>\d+): undefined reference to`) },
  { tool: 'linker', rank: 3, match: /undefined reference to|multiple definition of|\bld(?:\.\w+)?: (?:.*: )?(?:cannot find|symbol\(s\) not found|library not found|error|undefined)|Undefined symbols for architecture|unresolved external symbol|relocation truncated to fit|undefined symbol: /, above: 1, since: /: in function /i, behind: new RegExp(String.raw`^(?:\S*ld(?:\.\w+)?: )?${source}:(?<line>\d+)`) },
  { tool: 'fortran', rank: 3, match: /^(?:Fatal )?Error: .+(?: at \(1\)|\(1\))/, above: 4, since: /^\S+:\d+:\d+:/, behind: /^(?<file>\S+?):(?<line>\d+):\d+:/ },
  { tool: 'latex', rank: 3, match: /^! (?!=)[A-Z]/, below: /^l\.(?<line>\d+) / },
  { tool: 'make', rank: 3, match: /^(?:(?<file>[^\s:]+):(?<line>\d+): )?\*\*\* (?:missing separator|.*commands commence|multiple target|unterminated|recipe commences|.*\.  Stop)|^make(?:\[\d+\])?: \*\*\* No (?:rule to make target|targets)/ },
  { tool: 'cmake', rank: 3, match: /^CMake Error(?: \(dev\))? at (?<file>\S+?):(?<line>\d+) \(|^CMake Error(?: in |: )/ },
  { tool: 'configure', rank: 3, match: /^(?:\S*configure(?:\.\w+)?): error: |^configure: WARNING: unrecognized$/ },

  // Test runners.
  { tool: 'pytest', rank: 3, match: /^E {3,}\S/, above: 10, since: /^_{3,} .* _{3,}$|^\S+\.py:\d+: in /, below: /^(?<file>[^\s:]+\.py):(?<line>\d+): (?!in )\S/, behind: /^(?<file>[^\s:]+\.py):(?<line>\d+): in / },
  { tool: 'pytest', rank: 3, match: /^(?<file>[^\s:]+\.py):(?<line>\d+): (?:\w*(?:Error|Exception|Failed)\b|assert )/ },
  { tool: 'doctest', rank: 3, match: /^File "(?<file>[^"]+)", line (?<line>\d+), in \S/, after: /^\*{20,}$/ },
  { tool: 'unittest', rank: 3, match: /^(?:FAIL|ERROR): \w+ \(.+\)/, below: /^ {2}File "(?<file>[^"]+)", line (?<line>\d+), in / },
  { tool: 'go test', rank: 3, match: /^\s*--- FAIL: /, above: 3, since: /^\s+\S+_test\.go:\d+: /, below: /^\s+(?<file>(?!\/usr\/(?:local\/)?(?:lib\/)?go)\S+\.go):(?<line>\d+)(?:: | \+0x|$)/, behind: /^\s+(?<file>\S+\.go):(?<line>\d+): / },
  { tool: 'vitest', rank: 3, match: /^\s*FAIL\s+(?:\|.*\| )?\S+(?: \[ .* \])?(?: > |$)/, after: /Failed (?:Tests|Suites)/, below: /^\s*❯ (?:.*? )?(?<file>\S+?):(?<line>\d+):\d+/ },
  { tool: 'jest', rank: 3, match: /^\s+● (?!Console\b)\S/, below: /^\s+at (?:.*\()?(?<file>(?!node:)[^()\s]+?):(?<line>\d+):\d+\)?/ },
  { tool: 'mocha', rank: 3, match: /^\s{2,}1\) \S/, after: /^\s+\d+ failing$/, below: /^\s+at (?:.*\()?(?:file:\/\/)?(?<file>(?!node:)[^()\s]+?):(?<line>\d+):\d+\)?/ },
  { tool: 'rspec', rank: 3, match: /^\s+1\) \S/, after: /^(?:Failures:|There (?:was|were) \d+ (?:failure|error)s?:)$/, below: /^\s+# (?:\.\/)?(?<file>[^:]+):(?<line>\d+)/ },
  { tool: 'minitest', rank: 3, match: /^\s+1\) (?:Failure|Error):$/, below: /\[(?<file>\S+):(?<line>\d+)\]/ },
  { tool: 'phpunit', rank: 3, match: /^1\) \S+::\S+/, below: /^(?<file>\/?\S+\.php):(?<line>\d+)$/ },
  { tool: 'node:test', rank: 3, match: /^\s*✖ (?!failing tests|\d+ problems?)\S/, below: /(?:^test at |\(|location: ')(?<file>(?!node:)[^()'\s]+?):(?<line>\d+):\d+/ },
  { tool: 'ava', rank: 3, match: /^\s*✘ \[(?:fail|timed out)\]/, below: /^\s+(?:› )?(?:file:\/\/)?(?<file>[^\s:]+):(?<line>\d+)(?::\d+)?$/ },
  { tool: 'TAP', rank: 3, match: /^\s*not ok \d+/, below: /(?:location: |at: |at )(?:'|\S+ \()?(?<file>[^\s'()]+?)(?::| line )(?<line>\d+)/ },
  { tool: 'prove', rank: 3, match: /^#\s+Failed test(?: |$)/, below: /^#\s+(?:.* )?at (?<file>\S+) line (?<line>\d+)\.$/ },
  { tool: 'gtest', rank: 3, match: new RegExp(String.raw`^${source}:(?<line>\d+): (?:Failure$|FAILED:?$)`) },
  { tool: 'gtest', rank: 2, match: /^\[ {2}FAILED {2}\] / },
  { tool: 'JUnit', rank: 3, match: /<(?:failure|error)\b[^>]*>?/ },
  { tool: 'surefire', rank: 3, match: /^(?!.*Tests run:).*<<< (?:FAILURE|ERROR)!/, below: /^\s+at (?!(?:org\.(?:junit|opentest4j|assertj|hamcrest)|junit|java|jdk|sun)\.).*\((?<file>\w+\.(?:java|kt|groovy|scala)):(?<line>\d+)\)/ },
  { tool: 'gradle', rank: 3, match: /^\S.* > .+ FAILED$/, below: /\bat (?<file>\w+\.(?:java|kt|groovy|scala)):(?<line>\d+)$/ },
  { tool: 'FATE', rank: 3, match: /^Test \S+ failed\. Look at \S+ for details/, above: 12, since: /^(?:--- |TEST )/ },
  { tool: 'ctest', rank: 2, match: /\*\*\*(?:Failed|Timeout|Exception|Not Run)/, above: 3 },
  { tool: 'automake', rank: 2, match: /^(?:FAIL|XPASS): \S/ },
  { tool: 'assert', rank: 3, match: /(?:^|: )(?<file>[^\s:]+):(?<line>\d+): .*Assertion [`'].*' failed|Assertion failed: / },

  // Linters.
  { tool: 'eslint', rank: 3, match: /^\s+(?<line>\d+):\d+\s+error\s{2,}/, above: 1, behind: /^(?<file>(?:\/|[A-Za-z]:\\|\w)\S*)$/ },
  { tool: 'oxlint', rank: 3, match: /^\s+[×x] \S+\([\w-]+\): /, below: /[╭,]─?-?\[(?<file>[^\]]+?):(?<line>\d+):\d+\]/ },
  { tool: 'flake8', rank: 3, match: /^(?<file>[^\s:]+\.pyi?):(?<line>\d+):\d+: [A-Z]{1,4}\d+ / },
  { tool: 'shellcheck', rank: 3, match: /\bSC\d{4} \(error\)/, behind: /^In (?<file>\S+) line (?<line>\d+):$/, above: 3, since: /^In \S+ line/ },

  // Bundlers.
  { tool: 'esbuild', rank: 3, match: /^\s*✘ \[ERROR\] /, below: /^\s+(?<file>\S+?):(?<line>\d+):\d+:$/ },
  { tool: 'webpack', rank: 3, match: /^ERROR in (?<file>\.?\/?\S+?)(?::| )(?<line>\d+)[:.]\d+|^ERROR in \S/ },
  { tool: 'rolldown', rank: 3, match: /^\[(?:[A-Z]+_)+[A-Z]+\] (?:Error: )?\S/, below: /╭─\[ (?<file>\S+?):(?<line>\d+):\d+ \]/ },
  { tool: 'vite', rank: 2, match: /^error during build:|^\[vite(?::\S+)?\]: .*failed/ },

  // Version control.
  { tool: 'git', rank: 3, match: /^CONFLICT \(/ },
  { tool: 'git', rank: 3, match: /^error: (?:patch failed: (?<file>.+):(?<line>\d+)|corrupt patch at)/ },
  { tool: 'git', rank: 2, match: /^(?:remote: )?(?:fatal|ERROR): |^\s! \[(?:remote )?rejected\]|Permission denied \(publickey/ },

  // Languages, when a program ends by an exception.
  { tool: 'ruby', rank: 3, match: /^(?:\t from )?(?<file>\S+\.rb):(?<line>\d+):in [`'].*': .+\(\w+(?:::\w+)*\)/ },
  { tool: 'php', rank: 3, match: /^(?:PHP )?(?:Parse|Fatal) error: .* in (?<file>\S+?)(?: on line |:)(?<line>\d+)/ },
  { tool: 'perl', rank: 2, match: /^(?!\s|#).+ at (?<file>\S+) line (?<line>\d+)(?:\.|, near|, <)/ },
  { tool: 'java', rank: 2, match: /^Exception in thread "/, below: /^\s+at .*\((?<file>\w+\.(?:java|kt|scala|groovy)):(?<line>\d+)\)/ },
  { tool: 'python', rank: 2, match: /^(?:[\w.]+\.)?(?!Error:)[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Group)(?:: |$)/, after: /^(?:Traceback \(most recent call last\):| {2}File "[^"]+", line \d+)/, above: 14, since: /^\s*(?:\+ )?(?:Exception Group )?Traceback|^ {2}File "[^"]+", line \d+$/, behind: /^\s+File "(?<file>(?!<|.*(?:\/lib\/python|site-packages|dist-packages|\/lib64\/python))[^"]+)", line (?<line>\d+)/ },
  { tool: 'node', rank: 2, match: /^(?:Uncaught )?(?:\w+:)?(?:[A-Z]\w*)?(?:Error|Exception)(?: \[\w+\])?(?:: |$)|^\[?(?:UnhandledPromiseRejection)/, above: 5, since: /^(?:file:\/\/)?\/?\S+:\d+$/, behind: /^(?:file:\/\/)?(?<file>(?!node:)\S+?):(?<line>\d+)$/, below: /^\s+at (?:.*\()?(?:file:\/\/)?(?<file>(?!node:)[^()\s]+?):(?<line>\d+):\d+\)?/ },

  // The shell and its tools.
  { tool: 'shell', rank: 2, match: /^(?<file>[^\s:]+): line (?<line>\d+): .*(?:command not found|No such file or directory|Permission denied|unbound variable|syntax error|Segmentation fault|Aborted|Bus error|cannot execute|parameter (?:null or )?not set|Is a directory|bad substitution|core dumped)/ },
  { tool: 'shell', rank: 2, match: /^(?:\/\S*\/)?(?:ba|da|z|k)?sh: (?:(?<line>\d+): )?.*(?:not found|No such file or directory|Permission denied|syntax error|parameter not set)/i },
  { tool: 'shell', rank: 2, match: /^(?:Segmentation fault|Aborted|Bus error|Illegal instruction|Floating point exception)\b|\(core dumped\)|terminate called after throwing/ },
  { tool: 'curl', rank: 2, match: /^(?:curl: \(\d+\)|wget: |ssh: |scp: |rsync(?: error)?: |rsync error|tar: |cp: |mv: |rm: |cat: |cd: |ls: |mkdir: |sed: |grep: |find: |ln: |chmod: |unzip: |gzip: |make: \S+: No such |dd: |cmp: |awk: |install: |patch: |diff: |env: |xargs: )/ },
  { tool: 'apt', rank: 2, match: /^E: \S/ },
  { tool: 'npm', rank: 2, match: /^npm (?:ERR!|error) code (?!ELIFECYCLE|1$|\d+$)\S|^npm (?:ERR!|error) Missing script|^\s*ERR_PNPM_(?!RECURSIVE_RUN|LIFECYCLE)/ },
  { tool: 'gradle', rank: 2, match: /^\* What went wrong:/ },
  { tool: 'ninja', rank: 2, match: /^FAILED: |^ninja: error: / },
  { tool: 'docker', rank: 2, match: /^ERROR: failed to (?:solve|build)|^(?:docker|podman): Error|^Error response from daemon/ },
  { tool: 'go', rank: 2, match: /^go: (?!downloading|finding|extracting|added|upgraded)/ },
  { tool: 'maven', rank: 2, match: /^\[ERROR\] (?!-> |To see|Re-run|For more|\s*$|After correcting|\[Help|COMPILATION ERROR|Failures:|Errors:|Tests run)/ },

  // What follows from an error above.
  { tool: 'cargo', rank: 1, match: /^error: (?:could not compile|test failed|aborting due to|process didn't exit successfully|\d+ targets? failed|build failed|failed to run custom build command)/ , above: 8 },
  { tool: 'yarn', rank: 1, match: /^error Command failed|^\s*ELIFECYCLE|^npm (?:ERR!|error) |^error: script ".*" exited|^Lifecycle script/, above: 8 },
  { tool: 'make', rank: 1, match: /^(?:g?make|ninja)(?:\[\d+\])?: (?:\*\*\* |build stopped)/, above: 10 },
  { tool: 'go test', rank: 1, match: /^FAIL(?:\s|$)/, above: 8 },
  { tool: 'npm', rank: 1, match: /exit(?:ed)?(?: with)? (?:code|status) [1-9]|returned non-zero exit|^Error: Process completed|BUILD FAILURE|Build failed with an exception/i, above: 8 },

  // Anything else that calls itself an error.
  { tool: 'program', rank: 2, match: /^error: /, below: /^\s*--> (?<file>.+?):(?<line>\d+):\d+/, promote: true },
  { tool: 'program', rank: 2, match: /^(?:\[\d[^\]]*\] |\d{4}-\d\d-\d\d\S* (?:\d\d:\S+ )?)?(?:\[?(?:ERROR|FATAL|CRITICAL|PANIC)\]?(?:[: ]|$)|\[?(?:error|fatal|Error|Fatal)\]?(?::|$)|\[(?:error|fatal)\])/ },
  { tool: 'program', rank: 2, match: /^[\w./+-]+: (?:fatal )?(?:error|ERROR|Error|fatal|FATAL)(?: \w+)?: / },
  { tool: 'pytest', rank: 2, match: /^(?:FAILED|ERROR) \S+\.py/ },
  { tool: 'program', rank: 1, match: /(?:^|\s)(?:FAILED|FAILURE|FAIL|failed|Failed)(?:[:!.,\s]|$)|\b(?:fatal )?error: /, above: 3 },
  { tool: 'program', rank: 1, match: /^(?:[\w./-]+: )?(?:cannot|could not|can't|unable to|no such file|command not found|permission denied|connection refused|operation timed out|invalid|missing|not found)\b/i, above: 3 },
]

/** What others put before each line: BuildKit its step and seconds, collectors of logs the time. */
export const prefix = /^(?:#\d+ (?:\d+\.\d+ )?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) )/
