-- Small facts about the database itself: store_id, epoch (where the epochs of new streams begin).
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE apps (
  id INTEGER PRIMARY KEY,
  app TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  record BLOB NOT NULL
);

-- One row per (app, user). cursor is the position in the broadcast log, NULL until the user is bound for the first time.
-- top may be behind messages that are still stored; the true top is the highest of top, acked, skips, messages and journal.
CREATE TABLE mailboxes (
  id INTEGER PRIMARY KEY,
  app_id INTEGER NOT NULL REFERENCES apps(id),
  user TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  acked INTEGER NOT NULL,
  top INTEGER NOT NULL,
  last_ack_at INTEGER NOT NULL,
  cursor INTEGER,
  attempt_seq INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  forgotten INTEGER NOT NULL,
  UNIQUE (app_id, user)
);

-- Epochs that ended, with the highest sequence number that went on into the next one.
CREATE TABLE mailbox_epochs (
  mailbox_id INTEGER NOT NULL REFERENCES mailboxes(id),
  epoch INTEGER NOT NULL,
  top INTEGER NOT NULL,
  PRIMARY KEY (mailbox_id, epoch)
) WITHOUT ROWID;

-- Recent messages in the order of storing: written sequentially and also held in memory. A row counts only while its mailbox
-- has not acknowledged or skipped it; rows are removed from the front, never one by one.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  mailbox_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  payload BLOB NOT NULL
);

-- Messages that wait for longer. id = mailbox id * 2^36 + seq, so that a mailbox lies together and in order.
CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  payload BLOB NOT NULL
);
CREATE INDEX messages_expiry ON messages (expires_at);

-- Ranges that will not be delivered, with a ResetReason.
CREATE TABLE skips (
  mailbox_id INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (mailbox_id, from_seq)
) WITHOUT ROWID;

CREATE TABLE parked (
  id INTEGER PRIMARY KEY,
  mailbox_id INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  parked_at INTEGER NOT NULL,
  payload BLOB NOT NULL
);

CREATE TABLE broadcast_logs (
  app_id INTEGER PRIMARY KEY REFERENCES apps(id),
  epoch INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  top INTEGER NOT NULL,
  known_users INTEGER NOT NULL
);

-- payload is NULL once the broadcast expired.
CREATE TABLE broadcasts (
  app_id INTEGER NOT NULL REFERENCES apps(id),
  seq INTEGER NOT NULL,
  state INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  payload_bytes INTEGER NOT NULL,
  rate INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  targeted INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  acked INTEGER NOT NULL,
  offline INTEGER NOT NULL,
  payload BLOB,
  PRIMARY KEY (app_id, seq)
);

-- kind: 0 = an answer, 1 = an append of messages, 2 = a broadcast; body is read accordingly.
CREATE TABLE idempotency (
  app_id INTEGER NOT NULL REFERENCES apps(id),
  key TEXT NOT NULL,
  kind INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  status INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (app_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  app_id INTEGER NOT NULL REFERENCES apps(id),
  user TEXT NOT NULL,
  type TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX events_app ON events (app_id, id);

CREATE TABLE event_keys (
  app_id INTEGER NOT NULL REFERENCES apps(id),
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (app_id, key)
) WITHOUT ROWID;
CREATE INDEX event_keys_age ON event_keys (created_at);

CREATE TABLE facts (
  space TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (space, key)
) WITHOUT ROWID;
