// Times the reference's wasm: `cargo xtask bench air` writes lines `MILLISECONDS FOLDER` and reads lines
// `CODE RUNS LEAST MEDIAN`, times in nanoseconds. A folder is an input as air-core/examples/bench has it.
//
// Only the interpreter's own `invoke` is timed, not the copying into and out of its memory. One process
// takes all inputs, for compiling the module takes seconds.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { Avm, loadModule } from './avm.mjs';

/** Runs before the timed ones take this part of the time. */
const WARM_UP_PART = 1 / 4;
/** Timed runs at least and at most, however long they take. */
const MIN_RUNS = 5;
const MAX_RUNS = 20000;

function read(folder) {
  const bytes = (name) => fs.readFileSync(path.join(folder, name));
  const [initPeer, currentPeer, particle, timestamp, ttl, secret] = bytes('parameters').toString().split('\n');
  return {
    air: bytes('script').toString(),
    previous: bytes('previous'),
    current: bytes('current'),
    results: bytes('results'),
    parameters: {
      init_peer_id: initPeer,
      current_peer_id: currentPeer,
      timestamp: BigInt(timestamp),
      ttl: Number(ttl),
      key_format: 0,
      secret_key_bytes: Buffer.from(secret, 'hex'),
      particle_id: particle,
      air_size_limit: 16n << 20n,
      particle_size_limit: 64n << 20n,
      call_result_size_limit: 32n << 20n,
      hard_limit_enabled: false,
    },
  };
}

function time(module, input, milliseconds) {
  const avm = new Avm(module);
  const run = () => avm.invoke(input.air, input.previous, input.current, input.parameters, input.results);
  const begun = performance.now();
  let code;
  do code = run().ret_code;
  while (performance.now() - begun < milliseconds * WARM_UP_PART);
  const times = [];
  while (times.length < MIN_RUNS || (times.length < MAX_RUNS && performance.now() - begun < milliseconds)) {
    run();
    times.push(avm.invokeMillis);
  }
  times.sort((a, b) => a - b);
  const nanos = (millis) => Math.round(millis * 1e6);
  return `${code} ${times.length} ${nanos(times[0])} ${nanos(times[times.length >> 1])}`;
}

const module = loadModule(path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'air-interpreter-0.64.1.wasm'));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [milliseconds, ...folder] = line.split(' ');
  console.log(time(module, read(folder.join(' ')), Number(milliseconds)));
}
