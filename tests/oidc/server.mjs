// The authorization server of the tests: npm's oidc-provider, on loopback,
// with a log of every call on stdout, one JSON object a line. Times are
// CLOCK_MONOTONIC in nanoseconds, the clock of the kernel's records.
//
// Usage: node server.mjs PROVIDER_FOLDER PORT AGENT_SECRET ENFORCER_SECRET
// SIGUSR2 stops listening and cuts open connections, SIGHUP listens again.

import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, port, agentSecret, enforcerSecret] = process.argv.slice(2);
const entry = path.join(folder, 'node_modules/oidc-provider/lib/index.js');
const { Provider } = await import(pathToFileURL(entry).href);

const client = (client_id, client_secret) => ({
  client_id,
  client_secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client('agent', agentSecret), client('enforcer', enforcerSecret)],
  scopes: ['crm.read'],
  ttl: { ClientCredentials: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
  },
});

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const now = () => Number(process.hrtime.bigint());
const answer = provider.callback();

const server = http.createServer((request, response) => {
  const begin_ns = now();
  let active = null;
  const end = response.end.bind(response);
  response.end = (body, ...rest) => {
    const text = body ? body.toString() : '';
    if (text.includes('"active":')) active = text.includes('"active":true');
    return end(body, ...rest);
  };
  response.on('close', () => {
    say({ path: request.url, status: response.statusCode, active, begin_ns, end_ns: now() });
  });
  answer(request, response);
});

const listen = (what) => server.listen(Number(port), '127.0.0.1', () => say({ said: what }));

process.on('SIGUSR2', () => {
  server.close(() => say({ said: 'deaf' }));
  server.closeAllConnections();
});
process.on('SIGHUP', () => listen('listening again'));
process.stdin.resume().on('end', () => process.exit(0));
listen('ready');
