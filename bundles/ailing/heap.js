// SPDX-License-Identifier: Apache-2.0
// A program that keeps all that it gets: V8 gives it 64 MiB (--max-old-space-size), and ends it when they are full.
'use strict';
const kept = [];
console.log('heap: ready; 1 MiB more each 50 ms');
setInterval(() => {
  kept.push(Array.from({ length: 16384 }, (_, i) => ({ i })));
  if (kept.length % 20 === 0) console.log(`heap: ${Math.round(process.memoryUsage().heapUsed / 1048576)} MiB`);
}, 50);
