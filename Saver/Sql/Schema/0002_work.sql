-- Who does a piece of work: the incarnation of a process. No row: nobody.
CREATE TABLE claims (
  work TEXT PRIMARY KEY,
  token INTEGER NOT NULL
) WITHOUT ROWID;

-- accepted_at is the time of the creation until the list is complete. parts_left counts the parts that are not done.
-- payload is NULL once the multicast has ended and its parts are removed.
CREATE TABLE multicasts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  app_id INTEGER NOT NULL REFERENCES apps(id),
  state INTEGER NOT NULL,
  level INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  payload_bytes INTEGER NOT NULL,
  rate INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  targeted INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  online INTEGER NOT NULL,
  parts_left INTEGER NOT NULL,
  payload BLOB
);
CREATE INDEX multicasts_app ON multicasts (app_id, id);
-- Those that are queued, running, paused or receiving.
CREATE INDEX multicasts_open ON multicasts (id) WHERE finished_at = 0;
CREATE INDEX multicasts_ended ON multicasts (finished_at) WHERE finished_at > 0;
CREATE INDEX multicasts_filled ON multicasts (finished_at) WHERE finished_at > 0 AND payload IS NOT NULL;

-- users: each one byte of length and that many bytes of UTF-8. owner: the token of who works on it, 0 = nobody.
CREATE TABLE multicast_parts (
  id INTEGER PRIMARY KEY,
  multicast_id INTEGER NOT NULL REFERENCES multicasts(id),
  part INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  position INTEGER NOT NULL,
  user_count INTEGER NOT NULL,
  users BLOB NOT NULL,
  UNIQUE (multicast_id, part)
);
CREATE INDEX multicast_parts_open ON multicast_parts (multicast_id, part) WHERE position < user_count;
