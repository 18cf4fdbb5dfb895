// SPDX-License-Identifier: Apache-2.0
// A server and a client in one: the client forgets its connections, 5 each second. RLIMIT_NOFILE is 128.
'use strict';
const net = require('node:net');

const server = net.createServer(() => {});
server.on('error', (error) => console.log(`sockets: server: ${error.code}`));
server.listen(8080, '127.0.0.1', () => {
  console.log('sockets: ready');
  setInterval(() => {
    const forgotten = net.connect(8080, '127.0.0.1');
    forgotten.on('error', (error) => console.log(`sockets: client: ${error.code}`));
  }, 200);
});
