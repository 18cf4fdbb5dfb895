// SPDX-License-Identifier: Apache-2.0
// Starts shells that leave a child behind. As PID 1 (--no-init) it becomes the parent of those, and never waits for them.
'use strict';
const { spawn } = require('node:child_process');

console.log(`zombies: ready, as PID ${process.pid}; an orphan more each 200 ms`);
setInterval(() => spawn('/bin/sh', ['-c', '/bin/true & exit 0'], { stdio: 'ignore' }), 200);
