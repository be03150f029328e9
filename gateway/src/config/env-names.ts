import { configOptions, fileOption } from './options.ts';
import { type ConfigProblem, showValue } from './problem.ts';
import { soundsSecret } from './secrets.ts';
import { suggest } from './suggest.ts';

/** The environment as a plain record; `process.env` has this shape. */
export type Environment = Readonly<Record<string, string | undefined>>;

const known = [...configOptions.map((option) => option.env), fileOption.env];

/**
 * Variables that Kubernetes (service links) and Docker (links) put into every container for a service that is itself called
 * `gateway` or `gateway-…`; nobody wrote them for us. `GATEWAY_PORT=tcp://10.0.0.1:80` is the famous one.
 */
const linkName = /_SERVICE_(HOST|PORT(_.*)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const linkValue = /^(tcp|udp|sctp):\/\//;

/** Whether a variable was injected by a service link. */
export function isServiceLink(name: string, value: string): boolean {
  return linkName.test(name) || linkValue.test(value);
}

/** `GATEWAY_*` variables that nothing reads: a misspelt setting is a problem, never silence. Empty ones count as not set. */
export function unknownVariables(env: Environment): readonly ConfigProblem[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith('GATEWAY_') || known.includes(name)) return [];
    if (value === undefined || value.trim() === '' || isServiceLink(name, value)) return [];
    const meant = suggest(name, known);
    const hint =
      meant === undefined ? 'docs/configuration.md lists the known ones' : `did you mean ${meant}?`;
    const shown = soundsSecret(name) ? 'a value that is not shown' : `value ${showValue(value)}`;
    return [{ place: name, message: `unknown variable (with ${shown}); ${hint}` }];
  });
}
