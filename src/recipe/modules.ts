/** Names of groups of linear maps in a decoder of the Llama family. */
const moduleGroups = new Map<string, readonly string[]>([
  ['attention', ['q_proj', 'k_proj', 'v_proj', 'o_proj']],
  ['mlp', ['gate_proj', 'up_proj', 'down_proj']],
]);

/** A group's members, or the module itself. */
export const modulesOf = (name: string): readonly string[] => moduleGroups.get(name) ?? [name];
