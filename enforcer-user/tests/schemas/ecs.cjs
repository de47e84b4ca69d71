// Writes ecs.json: npm install @elastic/ecs@9.4.0; node ecs.cjs > ecs.json
const { EcsFlat } = require('@elastic/ecs/generated/ecs_flat.js');

const FIELDS = `@timestamp ecs.version message event.action event.category event.created event.dataset event.hash
  event.id event.kind event.module event.original event.outcome event.reason event.sequence event.type host.hostname
  observer.product observer.type observer.version destination.ip destination.port destination.domain network.direction
  network.transport network.iana_number network.protocol network.type process.pid process.name process.executable
  user.id rule.name labels`.split(/\s+/);
const of = (name) => {
  const { type, normalize = [], allowed_values } = EcsFlat[name];
  const values = allowed_values && Object.fromEntries(allowed_values.map((v) => [v.name, v.expected_event_types ?? []]));
  return `${JSON.stringify(name)}: ${JSON.stringify({ type, list: normalize.includes('array'), values })}`;
};
console.log(`{\n${FIELDS.sort().map(of).join(',\n')}\n}`);
