/** The form that creates an interview. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import * as React from 'react';

import { ApiError } from '../api/errors';
import type { NewRoom, Profile, Template } from '../api/types';
import { useAction } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';
import { PackagesField, packagesIn } from './Packages';
import type { RoomsModel } from './roomsModel';

interface Props {
  model: RoomsModel;
  trans: TranslationBundle;
  chooseFiles: (notebooks: boolean) => Promise<string[]>;
  onDone: () => void;
}

/** What stands in the form. */
export interface Form {
  title: string;
  /** As a `datetime-local` field has it, in the reader's own zone. */
  starts: string;
  minutes: number;
  hostName: string;
  brief: string;
  /** Id of a sandbox profile. */
  profile: string;
  /** One package a line; taken only if the profile takes packages. */
  packages: string;
  /** Id of a template, or `OWN` for a notebook of the host's. */
  source: string;
  notebook: string;
  data: readonly string[];
  /** Whether people may think alone, on private branches. */
  branch: boolean;
}

export const OWN = 'own';

/** Put the form into a request. */
export function newRoom(form: Form): NewRoom {
  const own = form.source === OWN;
  const packages = packagesIn(form.packages);
  return {
    title: form.title.trim(),
    duration_s: Math.round(form.minutes * 60),
    profile: form.profile,
    ...(packages.length ? { packages } : {}),
    ...(form.starts ? { starts_at: new Date(form.starts).toISOString() } : {}),
    ...(form.hostName.trim() ? { host_name: form.hostName.trim() } : {}),
    ...(form.brief.trim() ? { brief: form.brief.trim() } : {}),
    ...(own ? { notebook_path: form.notebook } : { template: form.source }),
    ...(form.data.length ? { data_paths: [...form.data] } : {}),
    ...(form.branch
      ? { policy: { assistant: false, recording: false, signals: false, branch: true } }
      : {})
  };
}

/** The templates whose cells a kernel of that language runs. */
export function templatesIn(
  templates: readonly Template[],
  language: string | undefined
): Template[] {
  return templates.filter(
    template =>
      template.language === null ||
      language === undefined ||
      template.language === language
  );
}

/** The next full quarter of an hour, as a `datetime-local` field wants it. */
export function nextQuarter(now: Date): string {
  const quarter = 15 * 60_000;
  const next = new Date(Math.ceil(now.getTime() / quarter) * quarter);
  const local = new Date(next.getTime() - next.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

export function NewInterview(props: Props): React.ReactElement {
  const { model, trans, chooseFiles, onDone } = props;
  const [act, { busy, error }] = useAction();
  const [templates, setTemplates] = React.useState<readonly Template[]>([]);
  const [profiles, setProfiles] = React.useState<readonly Profile[]>([]);
  const [problem, setProblem] = React.useState('');
  // One key for all tries of this form: a lost answer makes no second room.
  const [key] = React.useState(() => UUID.uuid4());
  const [form, setForm] = React.useState<Form>(() => ({
    title: trans.__('Data science interview'),
    starts: nextQuarter(new Date()),
    minutes: 60,
    hostName: '',
    brief: '',
    profile: 'python',
    packages: '',
    source: 'sample',
    notebook: '',
    data: [],
    branch: false
  }));
  const first = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    first.current?.select();
  }, []);
  React.useEffect(() => {
    const fail = (reason: unknown): void => {
      setProblem(ApiError.from(reason).text);
    };
    // Together: who chooses a language is given the first template that fits it.
    Promise.all([model.templates(), model.profiles()]).then(([found, offered]) => {
      setTemplates(found);
      setProfiles(offered);
    }, fail);
  }, [model]);
  const change = (changes: Partial<Form>): void => {
    setForm(before => ({ ...before, ...changes }));
  };
  const complete =
    form.title.trim() !== '' &&
    form.minutes >= 1 &&
    (form.source !== OWN || form.notebook !== '');
  const chosen = profiles.find(({ id }) => id === form.profile);
  const language = chosen?.language;
  const takesPackages = !!chosen?.packages;
  const fitting = templatesIn(templates, language);
  const choices = [
    ...fitting,
    {
      id: OWN,
      title: trans.__('My own notebook'),
      description: trans.__('A copy of a notebook from your files.')
    }
  ];
  return (
    <form
      className="jp-Interview-New"
      aria-label={trans.__('New interview')}
      onSubmit={event => {
        event.preventDefault();
        if (complete && !busy) {
          act(async () => {
            const packages = takesPackages ? form.packages : '';
            await model.create(newRoom({ ...form, packages }), key);
            onDone();
          });
        }
      }}
    >
      <label>
        {trans.__('Title')}
        <input
          ref={first}
          type="text"
          className="jp-mod-styled"
          required
          maxLength={200}
          value={form.title}
          onChange={event => {
            change({ title: event.target.value });
          }}
        />
      </label>
      <div className="jp-Interview-New-row">
        <label>
          {trans.__('Starts (your time)')}
          <input
            type="datetime-local"
            className="jp-mod-styled"
            value={form.starts}
            onChange={event => {
              change({ starts: event.target.value });
            }}
          />
        </label>
        <label>
          {trans.__('Minutes')}
          <input
            type="number"
            className="jp-mod-styled"
            min={1}
            max={1440}
            value={form.minutes}
            onChange={event => {
              change({ minutes: event.target.valueAsNumber });
            }}
          />
        </label>
        <label>
          {trans.__('Your name, as others see it')}
          <input
            type="text"
            className="jp-mod-styled"
            maxLength={80}
            value={form.hostName}
            placeholder={trans.__('as on this server')}
            onChange={event => {
              change({ hostName: event.target.value });
            }}
          />
        </label>
      </div>
      {profiles.length > 1 && (
        <label>
          {trans.__('Language')}
          <select
            className="jp-mod-styled"
            value={form.profile}
            onChange={event => {
              const profile = event.target.value;
              const spoken = profiles.find(({ id }) => id === profile)?.language;
              const left = templatesIn(templates, spoken);
              const stays =
                form.source === OWN || left.some(({ id }) => id === form.source);
              const source = stays ? form.source : (left[0]?.id ?? OWN);
              change({ profile, source });
            }}
          >
            {profiles.map(profile => (
              <option key={profile.id} value={profile.id}>
                {profile.title}
              </option>
            ))}
          </select>
        </label>
      )}
      {takesPackages && (
        <PackagesField
          value={form.packages}
          trans={trans}
          onChange={packages => {
            change({ packages });
          }}
        />
      )}
      <fieldset>
        <legend>{trans.__('Begins with')}</legend>
        {choices.map(choice => (
          <label key={choice.id} className="jp-Interview-New-choice">
            <input
              type="radio"
              name="jp-Interview-source"
              checked={form.source === choice.id}
              onChange={() => {
                change({ source: choice.id });
              }}
            />
            <span>
              {choice.title}
              <small>{choice.description}</small>
            </span>
          </label>
        ))}
        {form.source === OWN && (
          <Files
            paths={form.notebook ? [form.notebook] : []}
            empty={trans.__('No notebook chosen')}
            button={trans.__('Choose notebook…')}
            trans={trans}
            choose={() => {
              act(async () => {
                const [notebook] = await chooseFiles(true);
                if (notebook !== undefined) {
                  change({ notebook });
                }
              });
            }}
            remove={() => {
              change({ notebook: '' });
            }}
          />
        )}
      </fieldset>
      <fieldset>
        <legend>{trans.__('Data files, in data/')}</legend>
        <Files
          paths={form.data}
          empty={trans.__('None besides the template’s')}
          button={trans.__('Add files…')}
          trans={trans}
          choose={() => {
            act(async () => {
              const chosen = await chooseFiles(false);
              setForm(before => ({
                ...before,
                data: [...new Set([...before.data, ...chosen])]
              }));
            });
          }}
          remove={path => {
            change({ data: form.data.filter(other => other !== path) });
          }}
        />
      </fieldset>
      <fieldset>
        <legend>{trans.__('Allowed')}</legend>
        <label className="jp-Interview-New-choice">
          <input
            type="checkbox"
            checked={form.branch}
            onChange={event => {
              change({ branch: event.target.checked });
            }}
          />
          <span>
            {trans.__('Think alone')}
            <small>
              {trans.__(
                'Candidate and interviewers may work on a private branch of the notebook that nobody else sees, and merge or discard it. The candidate reads so before joining.'
              )}
            </small>
          </span>
        </label>
      </fieldset>
      <label>
        {trans.__('Brief, for interviewers only (optional)')}
        <textarea
          className="jp-mod-styled"
          rows={3}
          maxLength={20_000}
          value={form.brief}
          onChange={event => {
            change({ brief: event.target.value });
          }}
        />
      </label>
      {(error || problem) && <Problem text={error || problem} />}
      <div className="jp-Interview-Buttons">
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept jp-Interview-Button"
          disabled={!complete || busy}
        >
          {trans.__('Create interview')}
        </button>
        <Button disabled={busy} onClick={onDone}>
          {trans.__('Cancel')}
        </Button>
      </div>
    </form>
  );
}

function Files(props: {
  paths: readonly string[];
  empty: string;
  button: string;
  trans: TranslationBundle;
  choose: () => void;
  remove: (path: string) => void;
}): React.ReactElement {
  const { paths, empty, button, trans, choose, remove } = props;
  return (
    <div className="jp-Interview-New-files">
      {paths.length === 0 && <em>{empty}</em>}
      {paths.map(path => (
        <span key={path} className="jp-Interview-Chip">
          {path}
          <Button
            kind="quiet"
            label={trans.__('Remove %1', path)}
            onClick={() => {
              remove(path);
            }}
          >
            ×
          </Button>
        </span>
      ))}
      <Button onClick={choose}>{button}</Button>
    </div>
  );
}
