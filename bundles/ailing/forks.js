// SPDX-License-Identifier: Apache-2.0
// Starts programs that do not end, without a bound of its own. pids.max is 64.
'use strict';
const { spawn } = require('node:child_process');

let started = 0;
let refused = '';
console.log('forks: ready');
setInterval(() => {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  child.on('spawn', () => started++);
  child.on('error', (error) => {
    if (!refused) console.log(`forks: ${started} started, then ${error.code}`);
    refused = error.code;
  });
}, 50);
