/** A logo for tests: 120 by 40 pixels of one colour, as a PNG in base64. */
export const LOGO =
  "iVBORw0KGgoAAAANSUhEUgAAAHgAAAAoCAIAAAC6iKlyAAAAUklEQVR42u3QQQ0AAAgEoEtiEmMb0BbOBxsJyFRzIApEi0a0aNEWRItGtGjRFkSLRrRo0YgWjWjRohEtGtGiRSNaNKJFi0a0aESLFo1o0Yj+ZwEExMeewofrqAAAAABJRU5ErkJggg=="
