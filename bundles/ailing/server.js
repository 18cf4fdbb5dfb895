// SPDX-License-Identifier: Apache-2.0
// A server that ends well: it takes a second to answer what it has begun. Start it by npm, and it never gets SIGTERM.
'use strict';
const http = require('node:http');

const server = http.createServer((request, response) => response.end('Hello\n'));
server.listen(8080, '127.0.0.1', () => console.log('server: ready'));
process.on('SIGTERM', () => {
  console.log('server: SIGTERM: answers what has begun, then ends');
  setTimeout(() => process.exit(0), 1000);
});
