/** Small parts that the widgets of this package share. */

import * as React from 'react';

type ButtonKind = 'plain' | 'accept' | 'warn' | 'quiet';

const KINDS: Record<ButtonKind, string> = {
  plain: 'jp-mod-styled jp-Interview-Button',
  accept: 'jp-mod-styled jp-mod-accept jp-Interview-Button',
  warn: 'jp-mod-styled jp-mod-warn jp-Interview-Button',
  quiet: 'jp-Interview-Button jp-Interview-Button-quiet'
};

export interface ButtonProps {
  kind?: ButtonKind;
  disabled?: boolean;
  /** What a screen reader says when the text alone would not tell. */
  label?: string;
  onClick: () => void;
  children: React.ReactNode;
}

export function Button(props: ButtonProps): React.ReactElement {
  const { kind = 'plain', disabled = false, label, onClick, children } = props;
  return (
    <button
      type="button"
      className={KINDS[kind]}
      disabled={disabled}
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** A titled part of a panel. */
export function Section(props: {
  title: string;
  className?: string;
  children: React.ReactNode;
}): React.ReactElement {
  const id = React.useId();
  return (
    <section
      className={`jp-Interview-Section ${props.className ?? ''}`}
      aria-labelledby={id}
    >
      <h3 id={id} className="jp-Interview-Section-title">
        {props.title}
      </h3>
      {props.children}
    </section>
  );
}

/** The text of what went wrong, read out when it appears. */
export function Problem(props: { text: string }): React.ReactElement {
  return (
    <div role="alert" className="jp-Interview-Problem">
      {props.text}
    </div>
  );
}
