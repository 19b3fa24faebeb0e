// Conformance client: the real @fluencelabs/js-client against a host under test.
//   node client.mjs --relay /ip4/127.0.0.1/tcp/9999/ws/p2p/12D3Koo... [--ttl MS] [--n N] [--big BYTES] [--only a,b] [--skip a,b] [--seed HEX]
//                   [--peer PEERID] (adds the check two_hosts) [--cut PORT] (adds the check cut: the relay's connections are reset by whoever connects to PORT)
// Prints one line per check, closes with "N passed, N failed" and exits non-zero if any check failed.
import fs from 'node:fs';
import assert from 'node:assert/strict';
import net from 'node:net';
// js-client 0.9.0 pulls in dependencies that expect Node 22; this lets it run on Node 20 too.
Promise.withResolvers ??= function () { let resolve, reject; const promise = new this((a, b) => { resolve = a; reject = b; }); return { promise, resolve, reject }; };
const { createClient, callAquaFunction, registerService } = await import('@fluencelabs/js-client');

const opt = (n, d) => { const i = process.argv.indexOf('--' + n); return i < 0 ? d : process.argv[i + 1]; };
const RELAY = opt('relay'); if (!RELAY) { console.error('usage: node client.mjs --relay <multiaddr with /p2p/>'); process.exit(2); }
const host = /^\/(ip4|ip6|dns4|dns)\/([^/]+)\//.exec(RELAY)?.[2];
if (!['127.0.0.1', '::1', 'localhost'].includes(host) && opt('allow-remote') !== 'yes') { console.error('refusing to talk to anything but the loopback interface (got ' + host + ')'); process.exit(2); }
const TTL = +opt('ttl', 15000), N = +opt('n', 10), BIG = +opt('big', 300000), ONLY = opt('only')?.split(','), SKIP = opt('skip', '').split(',');
const AIR = JSON.parse(fs.readFileSync(new URL('programs.json', import.meta.url)));
const PEER = /\/p2p\/([^/]+)$/.exec(RELAY)[1];

let client, passed = 0, failed = 0;
const seed = (b) => ({ type: 'Ed25519', source: b });
const call = (script, args = {}, ttl = TTL, fireAndForget = false, peer = client) => callAquaFunction({ script, peer, args, config: { ttl }, fireAndForget });
const run = (name, args, ttl) => call(AIR[name], args, ttl);
const fails = async (p) => { try { await p; } catch (e) { return e; } throw new Error('expected an error, got an answer'); };
async function check(name, fn) {
  if ((ONLY && !ONLY.includes(name) && name !== 'connect') || SKIP.includes(name)) return;
  const t = Date.now();
  try { await fn(); passed++; console.log(`ok   ${name} ${Date.now() - t}ms`); }
  catch (e) { failed++; console.log(`FAIL ${name} ${Date.now() - t}ms: ${String(e?.message ?? JSON.stringify(e)).replace(/\s+/g, ' ').slice(0, 500)}`); }
}
const errOf = (e) => { assert.equal(typeof e, 'object', 'the error is the :error: object, got ' + String(e)); return e; };

await check('connect', async () => {
  client = await createClient(RELAY, { keyPair: opt('seed') ? seed(Buffer.from(opt('seed'), 'hex')) : { type: 'Ed25519', source: 'random' }, defaultTtlMs: TTL, connectionOptions: { dialTimeoutMs: 10000 } });
  assert.equal(client.getRelayPeerId(), PEER);
});
if (!client) { console.log('0 passed, 1 failed'); process.exit(1); }
registerService({ peer: client, serviceId: 'local-calc', service: { twice: ({ args: [x] }) => x * 2 } });

await check('echo', async () => { for (const m of ['hello', '', 'zażółć ☃ 𝄞 "quoted" \\ \n end']) assert.equal(await run('echo', { msg: m }), m); });
await check('strings', async () => assert.deepEqual(await run('strings', { a: 'foo', b: 'бар' }), ['2JdDBmDxdax5M', 'fooбар', 3, ['foo', 'бар', 'fooбар', 'foo', 'бар', 'fooбар']]));
await check('numbers', async () => {
  assert.deepEqual(await run('numbers', { x: 17, y: 5 }), { add: 22, sub: 12, mul: 85, div: 3, rem: 2, pow: 4913, gt: true, cmp: 1 });
  assert.deepEqual(await run('numbers', { x: -17, y: 5 }), { add: -12, sub: -22, mul: -85, div: -3, rem: -2, pow: -4913, gt: false, cmp: -1 });   // truncating division
});
await check('arrays', async () => {
  const [s, d, i, f, l] = await run('arrays', { xs: ['a', 'b', 'b', 'c'], ys: ['b', 'z'], ns: [1, 2, -10] });
  assert.equal(s, -7); assert.deepEqual([...d].sort(), ['a', 'b', 'c']); assert.deepEqual(i, ['b']); assert.deepEqual([...f].sort(), ['a', 'c']); assert.deepEqual(l, ['b', 'b']);
});
await check('jsons', async () => { const [t, q, dbg] = await run('jsons', { n: 7, s: 'x"y' }); assert.deepEqual(JSON.parse(t), { a: 7, b: 'changed' }); assert.deepEqual(q, { a: 7, b: 'changed' }); assert.deepEqual(JSON.parse(dbg), ['x', 'x"y']); });
await check('fan_out', async () => { const xs = Array.from({ length: N }, (_, i) => 'item' + i); const r = await run('fan_out', { xs }); assert.deepEqual([...r].sort(), xs.map((x) => x + '!').sort()); });
await check('race', async () => assert.equal(await run('race', { slow_ms: 3000 }), 'fast'));
await check('unknown_service', async () => {
  const e = errOf(await fails(run('unknown_service', {}))); assert.match(e.message, /no-such-service/); assert.match(e.message, /not found/); assert.equal(e.peer_id, PEER); assert.equal(e.error_code, 10000);
});
await check('caught', async () => assert.match(await run('caught', { msg: 'm' }), /^caught: .*no-such-service.*not found/s));
await check('div_zero', async () => { const e = errOf(await fails(run('div_zero', {}))); assert.match(e.message, /overflow/); assert.equal(e.error_code, 10000); });
await check('ping_pong', async () => { const seen = []; assert.equal(await run('ping_pong', { x: 20, step: ({ args: [v] }) => { seen.push(v); return {}; } }), 43); assert.deepEqual(seen, [42]); });
await check('clock', async () => { const [ms, s] = await run('clock', {}); assert.ok(Math.abs(ms - Date.now()) < 30000, 'host clock is off by ' + (ms - Date.now()) + 'ms'); assert.ok(Math.abs(s - ms / 1000) < 3); });
await check('am_i_connected', async () => assert.equal(await run('am_i_connected', {}), true));
await check('parallel_particles', async () => { const r = await Promise.all(Array.from({ length: N }, (_, i) => run('echo', { msg: 'p' + i }))); assert.deepEqual(r, Array.from({ length: N }, (_, i) => 'p' + i)); });
await check('big', async () => { const m = 'x'.repeat(BIG - 1) + '!'; const r = await run('echo', { msg: m }, TTL * 2); assert.equal(r.length, BIG); assert.equal(r, m); });
await check('raw_air', async () => {   // streams, canon, fold, match, ap, fail/xor without the compiler
  const s = `(xor (seq (call %init_peer_id% ("getDataSrv" "-relay-") [] relay)
    (new $st (seq (seq (par (call relay ("op" "identity") ["a"] $st) (par (call relay ("op" "identity") ["b"] $st) (xor (fail 1337 "nope") (ap :error:.$.message $st))))
      (seq (call relay ("op" "noop") []) (canon relay $st #c)))
      (seq (call relay ("op" "array_length") [#c] n) (seq (xor (match n 3 (ap "three" w)) (ap "other" w)) (seq (call relay ("debug" "stringify") [#c] d) (call %init_peer_id% ("callbackSrv" "response") [n w d #c])))))))
    (call %init_peer_id% ("errorHandlingSrv" "error") [:error: 0]))`;
  const [n, w, d, c] = await call(s); assert.equal(n, 3); assert.equal(w, 'three'); assert.deepEqual(JSON.parse(d), c); assert.deepEqual([...c].sort().slice(0, 2), ['a', 'b']); assert.match([...c].sort()[2], /nope/);
});
await check('two_clients', async () => {   // the host forwards between two clients
  const b = await createClient(RELAY, { keyPair: { type: 'Ed25519', source: 'random' } });
  try {
    registerService({ peer: b, serviceId: 'greet', service: { hello: ({ args: [n] }) => `hello ${n} from b` } });
    const s = `(xor (seq (seq (call %init_peer_id% ("getDataSrv" "-relay-") [] relay) (call %init_peer_id% ("getDataSrv" "b") [] b)) (seq (call relay ("op" "noop") []) (seq (call b ("greet" "hello") ["a"] r) (seq (call relay ("op" "noop") []) (call %init_peer_id% ("callbackSrv" "response") [r])))))
      (call %init_peer_id% ("errorHandlingSrv" "error") [:error: 0]))`;
    assert.equal(await call(s, { b: b.getPeerId() }), 'hello a from b');
  } finally { await b.disconnect(); }
});
if (opt('peer')) await check('two_hosts', async () => {   // relay -> second host -> relay
  const s = `(xor (seq (seq (call %init_peer_id% ("getDataSrv" "-relay-") [] relay) (call %init_peer_id% ("getDataSrv" "p") [] p)) (seq (call relay ("op" "noop") []) (seq (call p ("op" "concat_strings") ["via " "p"] r) (seq (call relay ("op" "concat_strings") [r " and back"] q) (call %init_peer_id% ("callbackSrv" "response") [q])))))
    (call %init_peer_id% ("errorHandlingSrv" "error") [:error: 0]))`;
  assert.equal(await call(s, { p: opt('peer') }), 'via p and back');
});
if (opt('cut')) await check('cut', async () => {   // the connection is reset while an answer is awaited; a new one takes it
  const slow = run('too_slow', { ms: 2000 }); await new Promise((r) => setTimeout(r, 500));
  await new Promise((ok, bad) => net.connect(+opt('cut'), '127.0.0.1').on('close', ok).on('error', bad).resume()); await new Promise((r) => setTimeout(r, 300));
  assert.equal(await run('echo', { msg: 'over a new connection' }), 'over a new connection'); assert.equal(await slow, 'late');
});
await check('bad_signature', async () => {   // the host must drop the particle, silently, and stay usable
  const p = await client.internals.createNewParticle(AIR.echo, 2500); const sig = Uint8Array.from(p.signature); sig[5] ^= 1; const forged = Object.assign(Object.create(Object.getPrototypeOf(p)), p, { signature: sig });
  const got = await new Promise((ok, bad) => {
    const h = client.internals.regHandler; const val = (v) => () => ({ retCode: 0, result: v });
    h.forParticle(p.id, 'getDataSrv', '-relay-', val(PEER)); h.forParticle(p.id, 'getDataSrv', 'msg', val('forged'));
    h.forParticle(p.id, 'callbackSrv', 'response', () => { ok('answered'); return { retCode: 0, result: {} }; });
    h.forParticle(p.id, 'errorHandlingSrv', 'error', () => { ok('answered'); return { retCode: 0, result: {} }; });
    client.internals.initiateParticle(forged, () => {}, (e) => ok(e.message), false); setTimeout(() => bad(new Error('nothing happened')), 8000);
  });
  assert.match(got, /expired/); assert.equal(await run('echo', { msg: 'still here' }), 'still here');
});
await check('timeout', async () => { const t = Date.now(); const e = await fails(run('too_slow', { ms: 6000 }, 2000)); assert.match(e.message, /expired after ttl of 2000ms/); assert.ok(Date.now() - t < 5000); assert.equal(await run('echo', { msg: 'alive' }), 'alive'); });
await check('reconnect', async () => {   // the client dials again on its own when the connection is gone
  const lp = client.connection.lib2p2Peer; for (const c of lp.getConnections()) await c.close(); await new Promise((r) => setTimeout(r, 300));
  assert.equal(await run('echo', { msg: 'again' }), 'again');
});
await check('disconnect', async () => client.disconnect());

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
