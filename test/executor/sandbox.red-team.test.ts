import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { openNetworkNamespace } from '../../src/executor/network-namespace.ts'
import { markedProcesses } from '../../src/executor/processes.ts'
import { openSandbox } from '../../src/executor/sandbox.ts'
import { bareEnvironment, makeExecution, runScript } from '../helpers/run-script.ts'
import { startExecution } from '../helpers/start-execution.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Each test plays a hostile job. What it may say is only what it could find out; what counts is what it could do. */
const root = process.getuid?.() === 0
const installed = findProgram('bwrap') !== undefined
if (!installed) console.warn('skipped: the sandbox against hostile jobs, because bubblewrap is not installed: apt-get install bubblewrap')
if (!root) console.warn('skipped: the sandbox of a builder that runs as root, because this is not root')

const sandbox = openSandbox({ hidden: [] })
const attack = test.runIf(installed)
const attackOnRoot = test.runIf(installed && root)

attack('homes, environment.sh, keys, other users\' files and the host\'s /tmp cannot be read', async () => {
  const home = tempDir()
  chmodSync(home, 0o755)
  writeFileSync(join(home, 'environment.sh'), 'export SECRET="not-a-real-secret"', { mode: 0o644 })
  const places = [home, '/root', '/home', '/etc/shadow', '/etc/ssh', '/etc/ssl/private', '/etc/gitconfig.d', '/var/lib', '/var/log', '/run', '/sys', '/boot', '/srv', '/mnt', '/media', process.cwd()]
  const { output } = await runScript(sandbox, `for p in ${places.join(' ')}; do [ -z "$(ls -A $p 2>/dev/null)" ] || echo "$p: $(ls -A $p | head -3)"; done; cat ${home}/environment.sh; grep -rs not-a-real-secret /tmp /etc /home /root`)
  const inside = dirname(makeExecution('').workspace)
  expect(output).not.toContain('not-a-real-secret')
  expect(output.split('\n').filter((line) => line !== '' && !line.startsWith('cat: ') && !inside.startsWith(line.split(':')[0]!))).toEqual([])
})

attack('a hidden directory below a visible one is empty', async () => {
  const { output, verdict } = await runScript(openSandbox({ hidden: ['/usr/share/doc'] }), 'ls -A /usr/share/doc | wc -l; touch /usr/share/doc/x')
  expect({ output: output.split('\n')[0], verdict }).toEqual({ output: '0', verdict: 'failed' })
})

attack('nothing outside the workspace, /tmp and HOME can be written', async () => {
  const env = { ...bareEnvironment, HOME: '/home/quern' }
  const { output } = await runScript(sandbox, 'for d in / /usr /usr/bin /etc /dev /quern /proc/sys/kernel /var /lib /home /home/quern /tmp /dev/shm .; do touch $d/quern-was-here 2>/dev/null && echo $d; done; echo x 2>/dev/null > /proc/sys/kernel/hostname && echo sysctl; echo b 2>/dev/null > /proc/sysrq-trigger && echo sysrq', { env })
  expect(output.trim().split('\n')).toEqual(['/home/quern', '/tmp', '/dev/shm', '.'])
  expect(existsSync('/usr/bin/quern-was-here') || existsSync('/tmp/quern-was-here')).toBe(false)
})

attack.each(['true', 'for i in {1..400}; do echo > f$i; done'])('files of any name and depth come back to the builder (%s)', async (more) => {
  const { workspace } = await runScript(sandbox, String.raw`touch $'\xff' $'\xfe' $'a\nb' -- -R; mkdir -p $(printf 'd/%.0s' {1..100}) closed; chmod 000 closed; ` + more)
  const owners = new Set(spawnSync('find', [workspace, '-printf', '%U\\n'], { encoding: 'utf8' }).stdout.trim().split('\n'))
  expect([...owners]).toEqual([String(process.getuid!())])
})

attackOnRoot('a run of the builder’s own user cannot speak for the sandbox around it', async () => {
  const script = 'for f in /proc/[0-9]*/fd/*; do case $(readlink $f) in *complaints*) echo "found $f";; esac; (echo forged > $f) 2>/dev/null; done >out; cat out | grep found; exit 1'
  const { output, ...ending } = await startExecution('sandbox', makeExecution(script), { uid: 65_534 }).ended
  expect(ending).toMatchObject({ verdict: 'failed', code: 1 })
  expect(ending.reason).toBeUndefined()
  expect(output).not.toContain('found')
})

attackOnRoot('what lies deeper than a path can be long comes back to the builder, too', async () => {
  const { verdict, workspace } = await runScript(sandbox, 'name=$(printf "d%.0s" {1..200}); for i in {1..60}; do mkdir $name && cd $name; done; touch file')
  expect(verdict).toBe('passed')
  expect(spawnSync('find', [workspace, '-uid', '+0'], { encoding: 'utf8' }).stdout).toBe('')
  spawnSync('rm', ['-rf', workspace])
})

attack('a directory for temporary files that is not inside becomes /tmp', async () => {
  const { output } = await runScript(sandbox, 'echo $TMPDIR; mktemp >/dev/null && echo made', { env: { ...bareEnvironment, TMPDIR: '/somewhere/else' } })
  expect(output).toBe('/tmp\nmade\n')
})

attack('there are no capabilities, no way to get any, and nothing to remount', async () => {
  const { output } = await runScript(sandbox, `grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status; for o in remount,rw,bind remount,rw; do mount -o $o / && echo remounted; mount -o $o /usr && echo remounted; done; umount /tmp && echo unmounted; unshare -m true && echo unshared; unshare -Um mount -o remount,rw,bind /usr && echo unshared-user; setpriv --reuid 0 true && echo became-root; chroot / true && echo chrooted; mknod sda b 8 0 && echo mknod`)
  expect(output.match(/^(Cap|NoNew).*$/gm)).toEqual(['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => `${name}:\t0000000000000000`).concat('NoNewPrivs:\t1'))
  expect(output).not.toMatch(/^(remounted|unmounted|unshared|unshared-user|became-root|chrooted|mknod)$/m)
})

attackOnRoot('a root builder\'s run has a user id that owns nothing here', async () => {
  const { output } = await runScript(sandbox, 'id -u; id -G; whoami; echo 1 2>/dev/null > /proc/1/comm && echo wrote')
  const [uid, groups, name, ...rest] = output.trim().split('\n')
  expect(Number(uid)).toBeGreaterThanOrEqual(2_000_000_000)
  expect({ groups, name, rest }).toEqual({ groups: uid, name: 'quern', rest: [] })
})

attack('an environment that poisons programs is not loaded into the jailer', async () => {
  const { workspace, ...execution } = makeExecution('true')
  const library = join(workspace, 'evil.so')
  const source = join(workspace, 'evil.c')
  writeFileSync(source, '#include <stdio.h>\n#include <unistd.h>\n#include <fcntl.h>\n__attribute__((constructor)) static void f(void) { int d = open("loaded", O_WRONLY | O_CREAT | O_APPEND, 0666); char b[64]; int n = snprintf(b, 64, "%d\\n", geteuid()); write(d, b, n); close(d); if (getppid() == 0 || access("/etc/shadow", F_OK) == 0) { d = open("outside", O_WRONLY | O_CREAT, 0666); close(d); } }\n')
  if (spawnSync('cc', ['-shared', '-fPIC', '-o', library, source]).status !== 0) return console.warn('skipped: a poisoned environment, because there is no C compiler: apt-get install gcc')
  const { verdict } = await runScript(sandbox, 'true', { ...execution, workspace, script: execution.script, env: { ...bareEnvironment, LD_PRELOAD: library, BASH_ENV: '/dev/null', ENV: '/dev/null' } })
  expect(verdict).toBe('passed')
  const users = new Set(readFileSync(join(workspace, 'loaded'), 'utf8').trim().split('\n').map(Number))
  expect(users.has(0)).toBe(false)
  expect(existsSync(join(workspace, 'outside'))).toBe(false)
})

attack('without network neither the host\'s loopback, nor its addresses, nor its abstract sockets are there', async () => {
  const port = await listen({ port: 0, host: '0.0.0.0' })
  const name = `quern-test-${process.pid}`
  await listen({ path: `\0${name}` })
  const { output } = await runScript(sandbox, probe([['127.0.0.1', port], ...ownAddresses().map((address): [string, number] => [address, port])]) + `node -e "require('net').connect('\\0${name}').on('connect',()=>{console.log('reached abstract');process.exit()}).on('error',(e)=>console.log(e.code))"; ls /sys/class/net 2>/dev/null; grep -c : /proc/net/dev`)
  expect(output).not.toContain('reached')
  expect(output.trim().split('\n').at(-1)).toBe('1')
})

attack('its own loopback works', async () => {
  const { output } = await runScript(sandbox, `node -e "const s=require('net').createServer((c)=>c.end('x')).listen(0,'127.0.0.1',()=>require('net').connect(s.address().port,'127.0.0.1').on('data',()=>{console.log('answered');process.exit()}))"`)
  expect(output).toBe('answered\n')
})

attack('the network of a trusted run is the host\'s', async () => {
  const port = await listen({ port: 0, host: '127.0.0.1' })
  expect((await runScript(sandbox, probe([['127.0.0.1', port]]), { network: 'host' })).output).toContain('reached')
})

const slirp = findProgram('slirp4netns') ?? findProgram('pasta')
if (slirp === undefined) console.warn('skipped: a granted network, because neither slirp4netns nor pasta is installed: apt-get install slirp4netns')

test.runIf(installed && slirp !== undefined)('a granted network leads out, but not to the host\'s loopback', async () => {
  const loopback = await listen({ port: 0, host: '127.0.0.1' })
  const everywhere = await listen({ port: 0, host: '0.0.0.0' })
  const gateways: [string, number][] = ['127.0.0.1', '10.0.2.2', '10.0.2.1', '10.0.2.3', 'host.containers.internal'].flatMap((host): [string, number][] => [[host, loopback], [host, everywhere]])
  const outside = ownAddresses().map((address): [string, number] => [address, everywhere])
  const { output, verdict, reason } = await runScript(sandbox, probe(gateways) + 'echo ---\n' + probe(outside), { network: 'isolated' })
  expect({ verdict, reason }).toEqual({ verdict: 'passed', reason: undefined })
  const [inwards, outwards] = output.split('---\n')
  expect(inwards).not.toContain('reached')
  if (outside.length > 0) expect(outwards).toContain('reached')
})

/** What a run on a network of its build tries, beside a service that it is to reach, and another build with the same port. */
async function onSharedNetwork(network: 'none' | 'isolated', circumstances: Parameters<typeof startExecution>[2], gateways = ['10.0.2.2', '10.0.2.3']) {
  const loopback = await listen({ port: 0, host: '127.0.0.1' })
  const everywhere = await listen({ port: 0, host: '0.0.0.0' })
  const abstract = `quern-shared-${process.pid}-${loopback}`
  await listen({ path: `\0${abstract}` })
  const other = await openNetworkNamespace(`red-team-${process.pid}/other/1`, { inwards: true })
  onTestFinished(other.remove)
  const over = new AbortController()
  const listening = (port: number, text: string) => `exec node -e "const s=require('net').createServer((c)=>c.on('error',()=>{}).end('${text}'));s.listen(${port});require('net').createServer((c)=>c.end()).listen('\\0${abstract}-${text}')"`
  const foreign = runScript(sandbox, listening(8080, 'foreign'), { ...other.reach, signal: over.signal })
  const inwards = ['127.0.0.1', '127.0.0.2', 'mill', ...gateways].flatMap((host): [string, number][] => [[host, loopback], [host, everywhere]])
  const sockets = ['', '-foreign', '-own'].map((end) => `node -e "require('net').connect('\\0${abstract}${end}').on('connect',()=>{console.log('reached abstract ${end}');process.exit()}).on('error',()=>{})"\n`).join('')
  const rights = 'grep -E "^Cap(Prm|Eff|Amb)" /proc/self/status | grep -v 0000000000000000; (ip link set lo down || ip addr add 10.9.9.9/8 dev lo) 2>/dev/null && echo changed; nsenter --net=/proc/1/ns/net true 2>/dev/null && echo entered; unshare -n true 2>/dev/null && echo unshared\n'
  const script = `until (exec 3<>/dev/tcp/mill/8081) 2>/dev/null; do sleep 0.05; done\n${rights}${sockets}${probe([...inwards, ['127.0.0.1', 8080], ['mill', 8080], ['mill', 8081]])}echo ---\n${probe(ownAddresses().map((address): [string, number] => [address, everywhere]))}`
  const ending = await startExecution('sandbox', makeExecution(script, { network, beside: ['mill'], limits: { timeout: 60_000, grace: 500 } }), { ...circumstances, service: makeExecution(listening(8081, 'own'), { beside: ['mill'] }) }).ended
  over.abort()
  await foreign
  const [within, outside] = ending.output.split('---\n')
  return { verdict: ending.verdict, reason: ending.reason, within, reachedOutside: outside?.includes('reached') }
}

attack.each(root ? [{}, { uid: 65_534 }] : [{}])('on a network that its build has to itself a run reaches the build\'s services, and nothing of the host or of another build (%j)', async (builder) => {
  expect(await onSharedNetwork('none', builder)).toEqual({ verdict: 'passed', reason: undefined, within: 'reached abstract -own\nreached mill 8081\n', reachedOutside: false })
})

attack('a fork bomb stays in its run', async () => {
  const bomb = 'b() { b | b & }; for i in 1 2 3 4 5 6 7 8; do b 2>/dev/null; done; sleep 0.5; echo still here'
  const id = `bomb-${process.pid}/p/1/r`
  const count = () => markedProcesses(id).length
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, count())), 100)
  const bombed = runScript(sandbox, bomb, { id, limits: { timeout: 2000, grace: 200, processes: 60 } })
  const other = await sleep(300).then(() => runScript(sandbox, 'for i in 1 2 3 4 5; do /bin/true || exit 1; done; echo fine', { limits: { timeout: 60_000, grace: 200, processes: 60 } }))
  expect(other).toMatchObject({ verdict: 'passed', output: 'fine\n' })
  expect((await bombed).verdict).not.toBe('errored')
  clearInterval(watch)
  expect(most).toBeGreaterThan(20)
  expect(most).toBeLessThan(100)
  expect(count()).toBe(0)
})

attack('2 GB of memory are not given where 256 MiB are allowed, and the record says how that is held', async () => {
  const hungry = `node -e "const a=[];for(let i=0;i<64;i++){a.push(Buffer.alloc(32<<20,1))};console.log('got all')"`
  const { verdict, output, reason, notes } = await runScript(sandbox, hungry, { limits: { timeout: 60_000, grace: 200, memory: 256 * 1024 * 1024 } })
  expect(verdict).toBe('failed')
  expect(output).not.toMatch(/^got all/m)
  expect(reason ?? notes?.join()).toContain('memory')
})

attack('/tmp is bounded', async () => {
  const limits = { timeout: 60_000, grace: 200, memory: 64 * 1024 * 1024 }
  const { verdict } = await runScript(sandbox, 'head -c 200000000 /dev/zero > /tmp/big', { limits })
  expect(verdict).toBe('failed')
})

attack('processes outside can be neither seen, signalled nor traced', async () => {
  const victim = spawn('sleep', ['60'], { stdio: 'ignore' })
  onTestFinished(() => void victim.kill('SIGKILL'))
  const { output } = await runScript(sandbox, `kill -9 ${victim.pid} 2>/dev/null && echo killed; kill -9 -1; ls -d /proc/${victim.pid} 2>/dev/null; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c ^VITEST; ls /proc/*/root/root 2>/dev/null; cat /proc/1/environ`)
  expect(output).not.toContain('killed')
  expect(output).not.toContain(`/proc/${victim.pid}`)
  expect(victim.exitCode ?? victim.signalCode).toBe(null)
})

attack('there is no terminal to type into', async () => {
  const { output } = await runScript(sandbox, 'exec 5<>/dev/tty && echo terminal; [ "$(ps -o sid= -p $$ | tr -d " ")" != 0 ] && echo own session')
  expect(output).not.toMatch(/^terminal$/m)
  expect(output).toContain('own session')
})

attack('no descriptor of the builder is open inside', async () => {
  const { output } = await runScript(sandbox, 'for f in /proc/self/fd/*; do readlink $f; done; ls -l /proc/1/fd 2>/dev/null | grep -E "quern-(test|file)|lock"')
  const open = output.trim().split('\n').filter((line) => line !== '/dev/null' && !/^\/tmp\/quern-output-.*\(deleted\)$/.test(line) && !line.startsWith('/quern/script.sh'))
  expect(open).toEqual([])
})

const python = existsSync('/usr/bin/python3')
if (!python) console.warn('skipped: an output passed on to another run, because python3 is not installed: apt-get install python3')

test.runIf(installed && python)('an output that was passed on to another run cannot be used to write into a later one', async () => {
  const shared = tempDir()
  chmodSync(shared, 0o777)
  const given = { mounts: [{ from: shared, to: '/shared', readonly: false }] }
  const takes = `python3 -c "
import socket, time, os
s = socket.socket(socket.AF_UNIX); s.bind('/shared/s'); os.chmod('/shared/s', 0o777); s.listen(1)
c, _ = s.accept(); _, fds, _, _ = socket.recv_fds(c, 10, 1)
while True:
  try: os.write(fds[0], b'forged')
  except OSError: open('/shared/refused', 'w'); break
  time.sleep(0.01)
"`
  const gives = `python3 -c "
import socket
s = socket.socket(socket.AF_UNIX); s.connect('/shared/s'); socket.send_fds(s, [b'x'], [1])
"; sleep 0.2; echo given`
  const taker = runScript(sandbox, takes, given)
  for (let look = 0; look < 200 && !existsSync(join(shared, 's')); look += 1) await sleep(20)
  expect((await runScript(sandbox, gives, given)).output).toContain('given')
  expect((await runScript(sandbox, 'sleep 0.2; echo mine')).output).toBe('mine\n')
  await taker
  expect(existsSync(join(shared, 'refused'))).toBe(true)
})

attack('hooks, fsmonitor and configuration planted in .git are run by nobody outside', async () => {
  const marker = join(tempDir(), 'ran-outside')
  const script = `git init -q . && git config core.fsmonitor '/bin/sh -c "touch ${marker}"' && git config core.hooksPath hooks && mkdir hooks && for h in post-checkout pre-commit post-index-change; do printf '#!/bin/sh\\ntouch ${marker}\\n' > hooks/$h; chmod +x hooks/$h; done; echo planted`
  const { output } = await runScript(sandbox, script, { env: { ...bareEnvironment, HOME: '/home/quern' } })
  expect(output).toBe('planted\n')
  expect(existsSync(marker)).toBe(false)
})

attackOnRoot('links do not make the workspace\'s return give away anything else', async () => {
  const outside = join(tempDir(), 'outside')
  mkdirSync(join(outside, 'deep'), { recursive: true })
  writeFileSync(join(outside, 'file'), 'x')
  spawnSync('chown', ['-R', '1234:1234', outside])
  const { workspace } = await runScript(sandbox, `ln -s ${outside} directory; ln -s ${outside}/file file; ln -s / root; ln -s . loop; mkdir -p a/b; ln -s ../../.. a/b/up; cp /bin/true suid; chmod 6755 suid`)
  expect([outside, join(outside, 'deep'), join(outside, 'file')].map((path) => statSync(path).uid)).toEqual([1234, 1234, 1234])
  expect(['directory', 'file', 'root', 'loop', 'a/b/up', 'suid', '.'].map((name) => lstatSync(join(workspace, name)).uid)).toEqual([0, 0, 0, 0, 0, 0, 0])
  expect(lstatSync(join(workspace, 'suid')).mode & 0o6000).toBe(0)
})

attackOnRoot('links that were in the workspace before, hard ones too, hand nothing else to the run', async () => {
  const execution = makeExecution('')
  const mirror = join(tempDir(), 'object')
  writeFileSync(mirror, 'shared with the mirror', { mode: 0o644 })
  linkSync(mirror, join(execution.workspace, 'object'))
  symlinkSync(mirror, join(execution.workspace, 'link'))
  const { output } = await runScript(sandbox, 'cat object; echo changed 2>/dev/null > object; chmod 777 object 2>/dev/null; stat -c %u object', { workspace: execution.workspace })
  expect(output).toBe('shared with the mirror0\n')
  expect(readFileSync(mirror, 'utf8')).toBe('shared with the mirror')
  expect(statSync(mirror).uid).toBe(0)
})

const builders = root ? [{}, { uid: 65_534 }] : [{}]
attack.each(builders)('a daemon does not outlive its run, nor a builder that was killed (%j)', async (builder) => {
  const daemon = "(setsid env -i bash -c 'for i in {1..1000}; do echo x >> beats || break; sleep 0.02; done' >/dev/null 2>&1 &); until [ -s beats ]; do sleep 0.02; done; touch ready; sleep 60"
  const execution = makeExecution(daemon)
  const { child, ended } = startExecution('sandbox', execution, builder)
  for (let look = 0; look < 500 && !existsSync(join(execution.workspace, 'ready')); look += 1) await sleep(20)
  expect(existsSync(join(execution.workspace, 'ready'))).toBe(true)
  child.kill('SIGKILL')
  await ended.catch(() => {})
  await sleep(100)
  const before = readFileSync(join(execution.workspace, 'beats')).length
  await sleep(200)
  expect(readFileSync(join(execution.workspace, 'beats')).length).toBe(before)
})

attack('a mount that is read-only stays so, and git reads a mirror through it', async () => {
  const mirror = join(tempDir(), 'mirror.git')
  chmodSync(dirname(mirror), 0o755)
  const git = (...options: string[]) => spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...options], { encoding: 'utf8', env: { ...bareEnvironment, HOME: '/nonexistent' } })
  const tree = join(tempDir(), 'tree')
  git('init', '-q', tree)
  writeFileSync(join(tree, 'file'), 'content\n')
  git('-C', tree, 'add', '.')
  git('-C', tree, 'commit', '-qm', 'one')
  git('clone', '-q', '--bare', tree, mirror)
  const ran = await runScript(sandbox, 'git clone -q /mirrors/one.git tree && cat tree/file; touch /mirrors/one.git/x', { mounts: [{ from: mirror, to: '/mirrors/one.git', readonly: true }], env: { ...bareEnvironment, HOME: '/home/quern' } })
  expect(ran.output).toMatch(/^content\n.*Read-only file system/)
})

attackOnRoot('an ordinary user\'s builder isolates in the same way', async () => {
  const execution = makeExecution("id -u; grep CapEff /proc/self/status; ls -A /root /home 2>/dev/null | wc -l; for d in / /usr /etc /dev /quern; do touch $d/x 2>/dev/null && echo open $d; done; touch made; unshare -U true 2>/dev/null || echo no namespaces; grep -c : /proc/net/dev; (setsid bash -c 'for i in {1..1000}; do echo x >> beats || break; sleep 0.02; done' &); until [ -s beats ]; do sleep 0.02; done")
  const ending = await startExecution('sandbox', execution, { uid: 65_534 }).ended
  expect(ending).toMatchObject({ verdict: 'passed', output: '65534\nCapEff:\t0000000000000000\n0\nno namespaces\n1\n' })
  const before = readFileSync(join(execution.workspace, 'beats')).length
  await sleep(150)
  expect(readFileSync(join(execution.workspace, 'beats')).length).toBe(before)
})

attackOnRoot('an ordinary user\'s builder, which may make no control group, limits processes and memory too, and says what is weaker', async () => {
  const script = `node -e "Buffer.alloc(600<<20,1);console.log('got all')" 2>/dev/null; sh -c 'for i in $(seq 60); do sleep 5 & done' 2>/dev/null; set -- /proc/[0-9]*; echo $#; exit 1`
  const limits = { timeout: 60_000, grace: 200, processes: 40, memory: 512 * 1024 * 1024 }
  const ending = await startExecution('sandbox', makeExecution(script, { limits }), { uid: 65_534 }).ended
  expect(ending.verdict).toBe('failed')
  expect(Number(ending.output)).toBeLessThanOrEqual(42)
  expect(ending.output).not.toContain('got all')
  expect(ending.notes?.join()).toContain('each process by itself')
})

const tunnel = existsSync('/dev/net/tun') && (statSync('/dev/net/tun').mode & 0o006) === 0o006
if (!tunnel) console.warn('skipped: a granted network of an ordinary user, because only root may open /dev/net/tun here: chmod 666 /dev/net/tun')

test.runIf(installed && root && tunnel && slirp !== undefined)('an ordinary user\'s builder grants the same network', async () => {
  const loopback = await listen({ port: 0, host: '127.0.0.1' })
  const ending = await startExecution('sandbox', makeExecution(`${probe([['127.0.0.1', loopback], ['10.0.2.2', loopback]])}grep -c : /proc/net/dev`, { network: 'isolated' }), { uid: 65_534 }).ended
  expect(ending.reason).toBe(undefined)
  expect(ending).toMatchObject({ verdict: 'passed', output: expect.stringMatching(/^2$/m) })
  expect(ending.output).not.toContain('reached')
})

const granting = [{}, ...(root && tunnel ? [{ uid: 65_534 }] : [])]
test.runIf(installed && slirp !== undefined).each(granting)('a granted network that a build has to itself leads out, too, and nowhere else (%j)', async (builder) => {
  expect(await onSharedNetwork('isolated', builder)).toEqual({ verdict: 'passed', reason: undefined, within: 'reached abstract -own\nreached mill 8081\n', reachedOutside: ownAddresses().length > 0 })
})

test.runIf(installed && root && tunnel && findProgram('pasta') !== undefined)('so does one of pasta, which has the host\'s own addresses', async () => {
  const { verdict, within, reachedOutside } = await onSharedNetwork('isolated', { uid: 65_534, without: ['slirp4netns'] }, [])
  expect({ verdict, within, reachedOutside }).toEqual({ verdict: 'passed', within: 'reached abstract -own\nreached mill 8081\n', reachedOutside: false })
})

attack('a node that lives in a home is there with npm, and nothing else of that home', async () => {
  const home = tempDir()
  chmodSync(home, 0o755)
  mkdirSync(join(home, 'bin'))
  copyFileSync(process.execPath, join(home, 'bin/node'))
  chmodSync(join(home, 'bin/node'), 0o755)
  writeFileSync(join(home, 'bin/private'), 'not-a-real-secret')
  mkdirSync(join(home, 'lib/node_modules/npm/bin'), { recursive: true })
  writeFileSync(join(home, 'lib/node_modules/npm/bin/npm-cli.js'), '#!/usr/bin/env node\nconsole.log("npm of", process.execPath)\n', { mode: 0o755 })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(home, 'bin/npm'))
  const env = { ...bareEnvironment, HOME: home, PATH: `${home}/bin:${bareEnvironment.PATH}` }
  const { ended } = startExecution('sandbox', makeExecution('npm; ls $HOME/bin; touch $HOME/mine && echo private home', { env }), { node: join(home, 'bin/node') })
  expect((await ended).output).toBe(`npm of ${home}/bin/node\nnode\nnpm\nprivate home\n`)
})

test.runIf(root)('without bubblewrap the run is errored with the package, and nothing weaker is tried', async () => {
  const execution = makeExecution('touch ran')
  const ending = await startExecution('sandbox', execution, { without: ['bwrap'] }).ended
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('apt-get install bubblewrap') })
  expect(existsSync(join(execution.workspace, 'ran'))).toBe(false)
})

test.runIf(installed && root)('a granted network without slirp4netns is errored with the package', async () => {
  const ending = await startExecution('sandbox', makeExecution('touch ran', { network: 'isolated' }), { without: ['slirp4netns', 'pasta'] }).ended
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('apt-get install slirp4netns') })
})

test.runIf(installed && root)('where namespaces are forbidden to the user, the run is errored and says how to allow them', async () => {
  const execution = makeExecution('touch ran')
  const ending = await startExecution('sandbox', execution, { uid: 65_534, without: [], namespaces: false }).ended
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/bwrap: .*sysctl/) })
  expect(existsSync(join(execution.workspace, 'ran'))).toBe(false)
})

test.runIf(installed && root)('where a part of /proc is covered, as systemd units and containers cover it, the run is errored and says so', async () => {
  const execution = makeExecution('touch ran')
  const ending = await startExecution('sandbox', execution, { uid: 65_534, files: { '/proc/uptime': '' } }).ended
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/bwrap: .*a part of \/proc is covered here, .*ProtectKernelTunables=/) })
  expect(ending.reason).not.toContain('sysctl')
  expect(existsSync(join(execution.workspace, 'ran'))).toBe(false)
})

/** Shell text that tries to connect to each address and says what it reached. */
function probe(targets: [host: string, port: number][]): string {
  return targets.map(([host, port]) => `timeout 2 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null && echo reached ${host} ${port}\n`).join('') + 'true\n'
}

async function listen(where: { port: number; host: string } | { path: string }): Promise<number> {
  const server: Server = createServer((socket) => socket.on('error', () => {}).end('hello'))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Addresses of this host that are not its loopback. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address)
}
