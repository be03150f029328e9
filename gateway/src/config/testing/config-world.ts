import { ConfigControl, type ConfigAttempt } from '../config-control.ts';
import { createLiveConfig, type LiveConfig } from '../live-config.ts';
import { loadConfig, type LoadedConfig } from '../load-config.ts';

const loaded = (text: string): LoadedConfig =>
  loadConfig({ env: {}, flags: {}, readFile: () => ({ kind: 'text', text }) });

/** See {@link configWorld}. */
export interface ConfigWorld {
  readonly file: { text: string; reads: number };
  readonly heard: readonly ConfigAttempt[];
  readonly live: LiveConfig;
  /** Pauses, in ms. */
  readonly slept: readonly number[];
  readonly control: ConfigControl;
  /** Another text of the file, reloaded by a signal. */
  readonly write: (next: string) => Promise<ConfigAttempt>;
}

/** A gateway's configuration without the gateway; `file.text` is what a reload reads. */
export function configWorld(text = '{}'): ConfigWorld {
  const file = { text, reads: 0 };
  const heard: ConfigAttempt[] = [];
  const first = loaded(text);
  if (first.kind === 'invalid') throw new Error(JSON.stringify(first.problems));
  const live = createLiveConfig(first.config);
  const slept: number[] = [];
  const control = new ConfigControl({
    live,
    source: {
      name: 'gateway.yaml',
      load: () => {
        file.reads += 1;
        return loaded(file.text);
      },
      follow: () => Promise.resolve(),
    },
    onAttempt: (attempt) => void heard.push(attempt),
    wallClock: () => 0,
    now: () => 0,
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
  });
  const write = (next: string): Promise<ConfigAttempt> => {
    file.text = next;
    return control.reload('signal');
  };
  return { file, heard, live, slept, control, write };
}
