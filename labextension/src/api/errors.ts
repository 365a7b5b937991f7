/** A refused request, as the server explains it. */

/** The error body of every answer that is not a success. */
interface ErrorBody {
  error: { code: string; message: string; hint: string };
}

function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null || !('error' in value)) {
    return false;
  }
  const { error } = value;
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    'message' in error &&
    typeof error.message === 'string'
  );
}

/**
 * A request that the server refused, or that never reached it (`status` 0).
 *
 * `message` says what happened in one sentence, `hint` what one can do about it.
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Message and hint as one text. */
  get text(): string {
    return this.hint ? `${this.message} ${this.hint}` : this.message;
  }

  /** Whether the next try may go well by itself. */
  get isPassing(): boolean {
    return this.code === 'offline' || this.status === 429 || this.status >= 500;
  }

  /** Read the error out of an answer's body, whatever it holds. */
  static fromBody(status: number, body: unknown): ApiError {
    if (isErrorBody(body)) {
      return new ApiError(
        status,
        body.error.code,
        body.error.message,
        body.error.hint || ''
      );
    }
    return new ApiError(
      status,
      'unknown',
      `The server answered ${status}.`,
      'Reload the page; if it happens again, tell the host.'
    );
  }

  static offline(): ApiError {
    return new ApiError(
      0,
      'offline',
      'The server does not answer.',
      'Nothing you typed is lost; try again when the connection is back.'
    );
  }

  /** Any caught value as an `ApiError`. */
  static from(reason: unknown): ApiError {
    if (reason instanceof ApiError) {
      return reason;
    }
    return new ApiError(
      0,
      'unexpected',
      reason instanceof Error ? reason.message : String(reason)
    );
  }
}
