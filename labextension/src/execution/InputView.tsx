/** The question of a program that waits in `input()`. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { InputRequest } from '../api/types';
import type { RoomModel } from '../rooms/model';
import { useAction } from '../ui/hooks';
import { Button, Problem } from '../ui/parts';

interface Props {
  model: RoomModel;
  trans: TranslationBundle;
  /** Whether to take the keyboard's focus when it appears. */
  focus?: boolean;
}

/** Whoever may run cells may answer; the others see what is asked. */
export function InputView({
  model,
  trans,
  focus = false
}: Props): React.ReactElement | null {
  const request = model.input;
  return request === null ? null : (
    <Question
      key={request.run_id}
      request={request}
      model={model}
      trans={trans}
      focus={focus}
    />
  );
}

function Question(props: Props & { request: InputRequest }): React.ReactElement {
  const { model, trans, request, focus } = props;
  const [act, { busy, error }] = useAction();
  const [value, setValue] = React.useState('');
  const field = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    if (focus) {
      field.current?.focus();
    }
  }, [focus]);
  const prompt = request.prompt || trans.__('The program asks for input:');
  const send = (): void => {
    act(async () => {
      await model.answerInput(request.run_id, value);
      // The same run may ask again.
      setValue('');
    });
  };
  return (
    <form
      className="jp-Interview-Input"
      onSubmit={event => {
        event.preventDefault();
        send();
      }}
    >
      <span className="jp-Interview-Input-prompt">{prompt}</span>
      {model.may('run') ? (
        <>
          <input
            ref={field}
            className="jp-mod-styled"
            type={request.password ? 'password' : 'text'}
            autoComplete="off"
            aria-label={prompt}
            value={value}
            disabled={busy}
            onChange={event => {
              setValue(event.target.value);
            }}
          />
          <Button kind="accept" disabled={busy} onClick={send}>
            {trans.__('Answer')}
          </Button>
        </>
      ) : (
        <em>{trans.__('waits for an answer')}</em>
      )}
      {error && <Problem text={error} />}
    </form>
  );
}
