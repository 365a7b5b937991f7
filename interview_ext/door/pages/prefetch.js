// Fetches what the notebook page will need while there is time, so that it opens at once.

const AT_ONCE = 4;
/** Milliseconds until a file counts as lost; over a slow line a large one takes a minute. */
const FILE_MS = 180_000;

/** Fetch `urls` into the browser's cache, politely; `tell` gets the part that is done. */
export async function prefetch(urls, tell) {
  if (navigator.connection?.saveData || !urls.length) {
    return;
  }
  const queue = [...urls];
  let done = 0;
  const work = async () => {
    for (let url = queue.shift(); url; url = queue.shift()) {
      try {
        const answer = await fetch(url, { priority: 'low', signal: AbortSignal.timeout(FILE_MS) });
        await answer.arrayBuffer();
      } catch {
        // The notebook page fetches it again and says so if it is truly not to be had.
      }
      done += 1;
      tell(done / urls.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
