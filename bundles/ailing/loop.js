// SPDX-License-Identifier: Apache-2.0
// A server whose event loop is blocked: after 3 seconds it meets a pattern that takes for
// ever (ReDoS), and serves nothing else.
'use strict';
const http = require('node:http');

http.createServer((request, response) => response.end('Hello\n'))
  .listen(8080, '127.0.0.1', () => console.log('loop: ready; blocked in 3 seconds'));
setTimeout(() => {
  console.log('loop: blocked from now on');
  /^(a+)+$/.test(`${'a'.repeat(60)}!`);
}, 3000);
