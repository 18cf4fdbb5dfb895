// SPDX-License-Identifier: Apache-2.0
'use strict';
// An HTTP service as one runs them: a primary that starts workers and replaces those that die, and workers that answer.
//
//   GET /             a greeting
//   GET /slow?ms=N    the same after N milliseconds, at most 8000
//   GET /crash        kills the worker that answers; a helper it had started is left an orphan
//   GET /stats        the processes in sight, as JSON
//
// SIGTERM or SIGINT: no new connection is taken, every request that was begun is answered, and the status is 0.
const cluster = require('cluster');
const fs = require('fs');
const http = require('http');
const { spawn } = require('child_process');

const host = process.env.HOST || '127.0.0.1';
const port = Number(process.env.PORT || 8080);
const workerCount = Number(process.env.WORKERS || 2);
const restartDelayMs = 100; // a worker that dies at once, again and again, must not eat the machine
const graceMs = 10000; // then connections on which nothing comes are cut
const cannotListen = 2; // exit status of a worker that another one could not help

const log = (text) => console.log(`web: ${text}`);

function runPrimary() {
  let stopping = false;
  let status = 0;

  const stop = (signal) => {
    if (stopping) return;
    stopping = true;
    log(`${signal}: answering what was begun`);
    for (const worker of Object.values(cluster.workers)) worker.send('stop', () => {});
  };
  const startWorker = () => {
    if (!stopping) cluster.fork();
  };

  cluster.on('exit', (worker, code, signal) => {
    if (code === cannotListen) process.exit(1);
    if (!stopping) {
      log(`worker ${worker.process.pid} died (${signal || `status ${code}`}), starting another`);
      setTimeout(startWorker, restartDelayMs);
      return;
    }
    if (code !== 0) status = 1;
    if (Object.keys(cluster.workers).length > 0) return;
    log('all answered, good bye');
    process.exit(status);
  });
  cluster.on('listening', (worker) => {
    log(`worker ${worker.process.pid} listens on http://${host}:${port}/`);
    if (stopping) worker.send('stop', () => {});
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  for (let i = 0; i < workerCount; i++) startWorker();
}

// Every process in this pid namespace: { pid, name, state, parent }, from /proc/PID/stat.
function listProcesses() {
  const processes = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const [, name, state, parent] = /\((.*)\) (\S) (\d+)/s.exec(fs.readFileSync(`/proc/${entry}/stat`, 'latin1'));
      processes.push({ pid: Number(entry), name, state, parent: Number(parent) });
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error; // it ended meanwhile
    }
  }
  return processes;
}

function stats() {
  const processes = listProcesses();
  const pids = (list) => list.map((each) => each.pid);
  return {
    answeredBy: process.pid,
    primary: process.ppid,
    workers: pids(processes.filter((each) => each.parent === process.ppid && each.state !== 'Z')),
    zombies: pids(processes.filter((each) => each.state === 'Z')),
    processes,
  };
}

function answer(request, send) {
  const url = new URL(request.url, 'http://web/');
  const greeting = `Hello from worker ${process.pid}\n`;
  switch (url.pathname) {
    case '/':
      return send(200, greeting);
    case '/slow':
      return setTimeout(() => send(200, greeting), Math.min(Number(url.searchParams.get('ms')) || 1000, 8000));
    case '/crash':
      spawn(process.execPath, ['-e', 'setTimeout(() => {}, 300)'], { stdio: 'ignore' });
      return send(200, `worker ${process.pid} goes\n`, () => process.kill(process.pid, 'SIGKILL'));
    case '/stats':
      return send(200, `${JSON.stringify(stats())}\n`);
    default:
      return send(404, 'try /, /slow?ms=1000, /crash or /stats\n');
  }
}

function runWorker() {
  let stopping = false;
  const server = http.createServer((request, response) => {
    log(`worker ${process.pid}: ${request.method} ${request.url}`);
    answer(request, (status, text, whenSent) => {
      // Decided when the answer goes out, not when the request came in: otherwise an idle connection delays the end.
      if (stopping) response.setHeader('Connection', 'close');
      response.statusCode = status;
      response.end(text, whenSent);
    });
  });
  server.on('error', (error) => {
    log(error.message);
    process.exit(cannotListen);
  });
  process.on('message', () => {
    if (stopping) return;
    stopping = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), graceMs).unref();
  });
  // Ctrl-C reaches the whole terminal's group: it is for the primary to say when to stop.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  server.listen(port, host);
}

if (cluster.isPrimary) runPrimary();
else runWorker();
