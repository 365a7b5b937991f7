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

/** A name for each question: a program may ask several in one run. */
const NAMES = new WeakMap<InputRequest, number>();
let named = 0;

function nameOf(request: InputRequest): number {
  const name = NAMES.get(request) ?? ++named;
  NAMES.set(request, name);
  return name;
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
      key={nameOf(request)}
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
  const form = React.useRef<HTMLFormElement>(null);
  const field = React.useRef<HTMLInputElement>(null);
  const sent = useWayBack(form);
  React.useEffect(() => {
    if (focus) {
      field.current?.focus();
    }
  }, [focus]);
  const prompt = request.prompt || trans.__('The program asks for input:');
  const send = (): void => {
    if (busy) {
      return;
    }
    act(async () => {
      sent(true);
      try {
        await model.answerInput(request.run_id, value);
        setValue('');
      } catch (reason) {
        sent(false);
        throw reason;
      }
    });
  };
  return (
    <form
      ref={form}
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
            // What is disabled loses the focus.
            readOnly={busy}
            onChange={event => {
              setValue(event.target.value);
            }}
            onKeyDown={event => {
              // In a cell, JupyterLab keeps browsers from submitting a form by Enter.
              if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
                event.preventDefault();
                send();
              }
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

/**
 * Give the focus back to where the person was working, once they have answered.
 *
 * Nobody else's answer does that: what they go on to type would be shortcuts of the notebook.
 *
 * @returns Says whether the answer was sent.
 */
function useWayBack(
  form: React.RefObject<HTMLFormElement>
): (answered: boolean) => void {
  const answered = React.useRef(false);
  // Before the form is taken out of the page, and the focus with it.
  React.useLayoutEffect(() => {
    const { current } = form;
    let before: EventTarget | null = null;
    const onFocus = (event: FocusEvent): void => {
      const { relatedTarget } = event;
      if (!(relatedTarget instanceof Node && current?.contains(relatedTarget))) {
        before = relatedTarget;
      }
    };
    current?.addEventListener('focusin', onFocus);
    return () => {
      current?.removeEventListener('focusin', onFocus);
      const focused = document.activeElement;
      const here = focused === document.body || current?.contains(focused);
      if (answered.current && here && before instanceof HTMLElement) {
        before.focus({ preventScroll: true });
      }
    };
  }, [form]);
  return value => {
    answered.current = value;
  };
}
