-- The ledger's tables as Airloop 0.1 (schema 2) created them, by metadata.create_all of commit f9f221a.
CREATE TABLE airloop_schema (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
CREATE TABLE airloop_attempts (
	"key" VARCHAR(300) NOT NULL,
	token INTEGER NOT NULL,
	owner TEXT NOT NULL,
	at DATETIME NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE airloop_triggers (
	number INTEGER NOT NULL,
	id VARCHAR(64) NOT NULL,
	model VARCHAR(63) NOT NULL,
	cause VARCHAR(32) NOT NULL,
	dedup_key VARCHAR(300) NOT NULL,
	reason TEXT NOT NULL,
	partition VARCHAR(10),
	at DATETIME NOT NULL,
	claimed_by VARCHAR(300),
	outcome VARCHAR(300),
	PRIMARY KEY (number),
	UNIQUE (model, dedup_key),
	UNIQUE (model, claimed_by),
	UNIQUE (id)
);
CREATE TABLE airloop_decisions (
	number INTEGER NOT NULL,
	id VARCHAR(300) NOT NULL,
	model VARCHAR(63) NOT NULL,
	subject VARCHAR(32) NOT NULL,
	action VARCHAR(64) NOT NULL,
	reason TEXT NOT NULL,
	figures JSON NOT NULL,
	at DATETIME NOT NULL,
	actor TEXT NOT NULL,
	PRIMARY KEY (number),
	UNIQUE (id)
);
CREATE INDEX ix_airloop_decisions_model ON airloop_decisions (model);
CREATE TRIGGER airloop_decisions_no_UPDATE BEFORE UPDATE ON airloop_decisions
BEGIN SELECT RAISE(ABORT, 'this table is append-only'); END;
CREATE TRIGGER airloop_decisions_no_DELETE BEFORE DELETE ON airloop_decisions
BEGIN SELECT RAISE(ABORT, 'this table is append-only'); END;
CREATE TABLE airloop_deployments (
	model VARCHAR(63) NOT NULL,
	sequence INTEGER NOT NULL,
	version INTEGER NOT NULL,
	previous INTEGER,
	artifact_uri TEXT NOT NULL,
	artifact_digest VARCHAR(80) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	reason TEXT NOT NULL,
	at DATETIME NOT NULL,
	fence_key VARCHAR(300) NOT NULL,
	fence_token INTEGER NOT NULL,
	request VARCHAR(300),
	PRIMARY KEY (model, sequence),
	UNIQUE (model, request)
);
CREATE TRIGGER airloop_deployments_no_UPDATE BEFORE UPDATE ON airloop_deployments
BEGIN SELECT RAISE(ABORT, 'this table is append-only'); END;
CREATE TRIGGER airloop_deployments_no_DELETE BEFORE DELETE ON airloop_deployments
BEGIN SELECT RAISE(ABORT, 'this table is append-only'); END;
CREATE TABLE airloop_usage (
	"key" VARCHAR(300) NOT NULL,
	token INTEGER NOT NULL,
	part INTEGER NOT NULL,
	step VARCHAR(32) NOT NULL,
	subject VARCHAR(63) NOT NULL,
	wall_seconds DOUBLE NOT NULL,
	cpu_seconds DOUBLE NOT NULL,
	gpu_seconds DOUBLE NOT NULL,
	gpu_utilisation DOUBLE,
	peak_host_bytes BIGINT NOT NULL,
	peak_gpu_bytes BIGINT NOT NULL,
	outcome VARCHAR(16),
	run_id VARCHAR(64),
	version INTEGER,
	at DATETIME NOT NULL,
	PRIMARY KEY ("key", token, part)
);
CREATE INDEX ix_airloop_usage_subject ON airloop_usage (subject);
CREATE INDEX ix_airloop_usage_run_id ON airloop_usage (run_id);
