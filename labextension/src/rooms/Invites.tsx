/** Issuing, copying and revoking the links of one room. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { InviteRole, IssuedInvite } from '../api/types';
import { useAction } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';
import type { RoomEntry, RoomsModel } from './roomsModel';
import { dateAndTime, roleName } from './words';

interface Props {
  model: RoomsModel;
  entry: RoomEntry;
  trans: TranslationBundle;
}

const ROLES: readonly InviteRole[] = ['candidate', 'interviewer', 'observer'];

export function Invites({ model, entry, trans }: Props): React.ReactElement {
  const { room } = entry;
  const [act, { busy, error }] = useAction();
  const [role, setRole] = React.useState<InviteRole>('candidate');
  const [name, setName] = React.useState('');
  const [issued, setIssued] = React.useState<IssuedInvite | null>(null);
  const invite = (): void => {
    act(async () => {
      setIssued(await model.invite(room.id, role, name.trim()));
      setName('');
    });
  };
  const open = entry.invites.filter(other => other.revoked_at === null);
  return (
    <div className="jp-Interview-Invites">
      <form
        className="jp-Interview-Invites-form"
        onSubmit={event => {
          event.preventDefault();
          if (!busy) {
            invite();
          }
        }}
      >
        <select
          className="jp-mod-styled"
          value={role}
          aria-label={trans.__('Role of the person to invite')}
          onChange={event => {
            setRole(event.target.value as InviteRole);
          }}
        >
          {ROLES.map(other => (
            <option key={other} value={other}>
              {roleName(other, trans)}
            </option>
          ))}
        </select>
        <input
          type="text"
          className="jp-mod-styled"
          maxLength={80}
          value={name}
          placeholder={trans.__('Name (optional)')}
          aria-label={trans.__('Name of the person to invite')}
          onChange={event => {
            setName(event.target.value);
          }}
        />
        <Button disabled={busy} onClick={invite}>
          {trans.__('Create invite link')}
        </Button>
      </form>
      {issued && <Link key={issued.id} invite={issued} trans={trans} />}
      {error && <Problem text={error} />}
      {open.length > 0 && (
        <details className="jp-Interview-Invites-list">
          <summary>{trans.__('Invites (%1)', open.length)}</summary>
          <ul className="jp-Interview-List">
            {open.map(other => (
              <li key={other.id} className="jp-Interview-Person">
                <span className="jp-Interview-Person-name">
                  {other.name || trans.__('(no name yet)')}
                </span>
                <span className="jp-Interview-Person-role">
                  {roleName(other.role, trans)} ·{' '}
                  {trans.__('valid until %1', dateAndTime(other.expires_at))}
                </span>
                <Button
                  kind="quiet"
                  disabled={busy}
                  label={trans.__('Revoke the invite of %1', other.name)}
                  onClick={() => {
                    act(() => model.revoke(room.id, other.id));
                  }}
                >
                  {trans.__('Revoke')}
                </Button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

/** The link, which the server shows this once. */
function Link(props: {
  invite: IssuedInvite;
  trans: TranslationBundle;
}): React.ReactElement {
  const { invite, trans } = props;
  const [copied, setCopied] = React.useState(false);
  const field = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    field.current?.select();
  }, []);
  const copy = (): void => {
    copyText(invite.url, field.current).then(setCopied, () => {
      setCopied(false);
    });
  };
  return (
    <div className="jp-Interview-Link">
      <label className="jp-Interview-Link-label">
        {trans.__(
          'Link for %1 (%2). Copy it now: it is not shown again.',
          invite.name || trans.__('this person'),
          roleName(invite.role, trans)
        )}
        <input
          ref={field}
          type="text"
          className="jp-mod-styled jp-Interview-Link-url"
          readOnly
          value={invite.url}
          onFocus={event => {
            event.target.select();
          }}
        />
      </label>
      <Button kind="accept" onClick={copy}>
        {copied ? trans.__('Copied') : trans.__('Copy link')}
      </Button>
      <span role="status" className="jp-Interview-hidden">
        {copied ? trans.__('The link was copied.') : ''}
      </span>
    </div>
  );
}

/** Copy by the clipboard API, or by selection where plain HTTP has none. */
async function copyText(
  text: string,
  field: HTMLInputElement | null
): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard) {
    await clipboard.writeText(text);
    return true;
  }
  field?.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else works there
  return document.execCommand('copy');
}
