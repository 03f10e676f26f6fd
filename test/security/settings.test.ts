/** Which settings a workspace may set: none that names a program, a place or a credential. Reads package.json alone. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Property {
  type?: string;
  scope?: string;
  enum?: string[];
}
interface Manifest {
  capabilities: { untrustedWorkspaces: { supported: boolean | string; restrictedConfigurations?: string[] } };
  contributes: { configuration: { properties: Record<string, Property> } };
}

const text = readFileSync('package.json', 'utf8');
const manifest = (): Manifest => JSON.parse(text);
const risky = /path|folder|home|program|command|arg|env|interpreter|server|url|host|token|key|secret|python|node/i;

/** Free text can be any program or place, whatever the setting is called; a switch or a choice cannot. */
const isSensitive = (name: string, { type, enum: choices }: Property): boolean =>
  risky.test(name) || !(type === 'boolean' || type === 'number' || type === 'integer' || choices);

function complaints({ capabilities, contributes }: Manifest): string[] {
  const { supported, restrictedConfigurations = [] } = capabilities.untrustedWorkspaces;
  const found = supported === 'limited' || supported === false ? [] : ['untrusted workspaces have no limit'];
  for (const [name, property] of Object.entries(contributes.configuration.properties)) {
    if (!isSensitive(name, property)) continue;
    // machine-overridable is what it says: a workspace may override it.
    if (property.scope !== 'machine' && property.scope !== 'application') found.push(`${name}: ${property.scope}`);
    if (!restrictedConfigurations.includes(name)) found.push(`${name} is not restricted`);
  }
  return found;
}

test('every setting that names a program or a place belongs to the machine, and the rule catches each that would not', t => {
  assert.deepEqual(complaints(manifest()), []);
  const properties = Object.entries(manifest().contributes.configuration.properties);
  const sensitive = properties.filter(([name, property]) => isSensitive(name, property)).map(([name]) => name);
  const mutations: ((broken: Manifest, name: string) => void)[] = [
    ...[undefined, 'window', 'resource', 'language-overridable', 'machine-overridable'].map(
      scope => (broken: Manifest, name: string) => {
        broken.contributes.configuration.properties[name]!.scope = scope;
      },
    ),
    ({ capabilities: { untrustedWorkspaces } }, name) => {
      untrustedWorkspaces.restrictedConfigurations = untrustedWorkspaces.restrictedConfigurations?.filter(
        other => other !== name,
      );
    },
  ];
  let caught = 0;
  for (const name of sensitive) {
    for (const mutate of mutations) {
      const broken = manifest();
      mutate(broken, name);
      assert.equal(complaints(broken).length, 1, `${name} after ${mutate}`);
      caught += 1;
    }
  }
  const unlimited = manifest();
  unlimited.capabilities.untrustedWorkspaces.supported = true;
  assert.equal(complaints(unlimited).length, 1);
  const added = manifest();
  added.contributes.configuration.properties['holdfast.greeting'] = { type: 'string', scope: 'window' };
  assert.equal(complaints(added).length, 2, 'free text of a new name');
  assert.ok(sensitive.length >= 4);
  const all = `${sensitive.length} of ${properties.length} settings name a program, a place or free text`;
  t.diagnostic(`C2 ${all}, all of them machine scope and restricted; ${caught + 2} of ${caught + 2} mutations caught`);
});
