/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in command lines: what must go, what must stay, and that nothing survives. */
#include "pipeline/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "export/json.h"
#include "pipeline/secret.h"
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

/* Arguments with '|' for the NULs between them; the last one is added. '~' stands for [redacted]. */
static const char *const must_go[][2] = {
	/* flags that are named for it */
	{ "app|--password|hunter2|-v", "app|--password|~|-v" },
	{ "app|--password=hunter2|-v", "app|--password=~|-v" },
	{ "app|-password|hunter2", "app|-password|~" },
	{ "app|-password=hunter2", "app|-password=~" },
	{ "app|--db-password|hunter2", "app|--db-password|~" },
	{ "app|--dbPassword=hunter2", "app|--dbPassword=~" },
	{ "app|--passphrase|a b c", "app|--passphrase|~" },
	{ "gpg|--batch|--passphrase=a b", "gpg|--batch|--passphrase=~" },
	{ "kubectl|--token|eyJhbGciOi|get|pods", "kubectl|--token|~|get|pods" },
	{ "app|--api-key|k1|--api_key=k2", "app|--api-key|~|--api_key=~" },
	{ "app|--apikey=k1|--apiKey|k2", "app|--apikey=~|--apiKey|~" },
	{ "app|--secret-key|s|--access-key=a", "app|--secret-key|~|--access-key=~" },
	{ "openssl|rsa|--private-key|x", "openssl|rsa|--private-key|~" },
	{ "app|--auth|u:p|--credentials|c", "app|--auth|~|--credentials|~" },
	{ "app|--bearer|b|--client-secret=s", "app|--bearer|~|--client-secret=~" },
	{ "app|--authToken=x|--AUTH_TOKEN|y", "app|--authToken=~|--AUTH_TOKEN|~" },
	{ "app|--password|-x", "app|--password|~" },
	{ "app|--password|--token|t", "app|--password|--token|~" },
	{ "java|-Dpassword=x|-Ddb.password=y|Main", "java|-Dpassword=~|-Ddb.password=~|Main" },
	{ "gradle|-PsigningPassword=x|-Ptoken=y", "gradle|-PsigningPassword=~|-Ptoken=~" },
	{ "openssl|enc|-pass|pass:hunter2", "openssl|enc|-pass|~" },
	{ "openssl|req|-passin|pass:x|-passout|pass:y", "openssl|req|-passin|~|-passout|~" },
	{ "skopeo|copy|--src-creds|u:p|--dest-creds=u:p|a|b", "skopeo|copy|--src-creds|~|--dest-creds=~|a|b" },
	{ "app|--tokens=a,b|--keys|k", "app|--tokens=~|--keys|~" },
	{ "rclone|--sftp-pass|x", "rclone|--sftp-pass|~" },
	{ "curl|--oauth2-bearer|abc|https://h/", "curl|--oauth2-bearer|~|https://h/" },
	{ "kubeadm|join|10.0.0.1:6443|--token|abcdef.0123|--discovery-token-ca-cert-hash|sha256:x",
	  "kubeadm|join|10.0.0.1:6443|--token|~|--discovery-token-ca-cert-hash|~" },
	/* short flags of programs that take one */
	{ "mysql|-uroot|-phunter2|db", "mysql|-uroot|-p~|db" },
	{ "/usr/bin/mysqldump|-phunter2|db", "/usr/bin/mysqldump|-p~|db" },
	{ "mariadb-admin|-phunter2|ping", "mariadb-admin|-p~|ping" },
	{ "sudo|mysql|-phunter2", "sudo|mysql|-p~" },
	{ "docker|exec|db|mysql|-phunter2", "docker|exec|db|mysql|-p~" },
	{ "sshpass|-p|hunter2|ssh|-p|22|host", "sshpass|-p|~|ssh|-p|22|host" },
	{ "sshpass|-phunter2|ssh|-p|22|host", "sshpass|-p~|ssh|-p|22|host" },
	{ "curl|-u|bob:hunter2|https://h/", "curl|-u|bob:~|https://h/" },
	{ "curl|-ubob:hunter2|https://h/", "curl|-ubob:~|https://h/" },
	{ "curl|-sSu|bob:hunter2|https://h/", "curl|-sSu|bob:~|https://h/" },
	{ "curl|--user|bob:hunter2|https://h/", "curl|--user|bob:~|https://h/" },
	{ "curl|--proxy-user|bob:hunter2|-U|a:b", "curl|--proxy-user|bob:~|-U|a:~" },
	{ "curl|-u|sk_live_abc:|https://h/", "curl|-u|~:|https://h/" },
	{ "curl|-x|bob:hunter2@proxy:3128|https://h/", "curl|-x|bob:~@proxy:3128|https://h/" },
	{ "curl|-b|session=abc|https://h/", "curl|-b|~|https://h/" },
	{ "curl|--cookie|session=abc|https://h/", "curl|--cookie|~|https://h/" },
	{ "redis-cli|-a|hunter2|PING", "redis-cli|-a|~|PING" },
	{ "redis-cli|AUTH|hunter2", "redis-cli|AUTH|~" },
	{ "redis-cli|--pass|hunter2", "redis-cli|--pass|~" },
	{ "mongosh|-u|admin|-p|hunter2", "mongosh|-u|admin|-p|~" },
	{ "mongodump|-phunter2", "mongodump|-p~" },
	{ "ldapsearch|-x|-D|cn=a|-w|hunter2", "ldapsearch|-x|-D|cn=a|-w|~" },
	{ "smbclient|//srv/share|-U|bob%hunter2", "smbclient|//srv/share|-U|bob%~" },
	{ "docker|login|-u|bob|-p|hunter2|reg", "docker|login|-u|bob|-p|~|reg" },
	{ "etcdctl|--user|root:hunter2|get|k", "etcdctl|--user|root:~|get|k" },
	{ "ctr|image|pull|--user|u:p|img", "ctr|image|pull|--user|u:~|img" },
	{ "snmpwalk|-v2c|-c|public|host", "snmpwalk|-v2c|-c|~|host" },
	{ "sqlcmd|-S|host|-P|hunter2", "sqlcmd|-S|host|-P|~" },
	{ "ipmitool|-U|admin|-P|hunter2|power", "ipmitool|-U|admin|-P|~|power" },
	{ "zip|-r|-P|hunter2|a.zip|dir", "zip|-r|-P|~|a.zip|dir" },
	{ "ldapsearch|-xw|hunter2", "ldapsearch|-xw|~" },
	{ "7z|x|-phunter2|a.7z", "7z|x|-p~|a.7z" },
	{ "useradd|-m|-p|$6$hash|bob", "useradd|-m|-p|~|bob" },
	{ "lftp|-u|bob,hunter2|host", "lftp|-u|bob,~|host" },
	{ "nmcli|dev|wifi|connect|home|password|hunter2", "nmcli|dev|wifi|connect|home|password|~" },
	{ "kubectl|create|secret|generic|s|--from-literal=user=bob", "kubectl|create|secret|generic|s|--from-literal=user=~" },
	{ "kubectl|create|secret|generic|s|--from-literal|x=a b", "kubectl|create|secret|generic|s|--from-literal|x=~" },
	{ "aws|configure|set|aws_secret_access_key|abc", "aws|configure|set|aws_secret_access_key|~" },
	{ "git|config|--global|github.token|abc", "git|config|--global|github.token|~" },
	{ "npm|config|set|//r.org/:_authToken|abc", "npm|config|set|//r.org/:_authToken|~" },
	/* headers */
	{ "curl|-H|Authorization: Bearer abc|https://h/", "curl|-H|Authorization: ~|https://h/" },
	{ "curl|-HX-Api-Key: abc|https://h/", "curl|-HX-Api-Key: ~|https://h/" },
	{ "curl|--header=X-Vault-Token: abc", "curl|--header=X-Vault-Token: ~" },
	{ "curl|-H|authorization:Basic abc", "curl|-H|authorization:~" },
	{ "curl|-H|Cookie: a=b; c=d", "curl|-H|Cookie: ~" },
	{ "app|-H|X: Bearer abc.def", "app|-H|X: Bearer ~" },
	/* URLs */
	{ "git|clone|https://bob:hunter2@host/r.git", "git|clone|https://bob:~@host/r.git" },
	{ "git|clone|https://ghp_abc@github.com/r", "git|clone|https://~@github.com/r" },
	{ "git|clone|https://ghp_abc:x-oauth-basic@github.com/r", "git|clone|https://~:~@github.com/r" },
	{ "app|postgres://u:p@db:5432/x?sslmode=off", "app|postgres://u:~@db:5432/x?sslmode=off" },
	{ "app|--url=redis://:hunter2@r:6379/0", "app|--url=redis://:~@r:6379/0" },
	{ "app|amqp://u:p%40ss@mq", "app|amqp://u:~@mq" },
	{ "app|https://u:p@ss@host/", "app|https://u:~@host/" },
	{ "app|https://u:pa/ss@host/", "app|https://u:~@host/" },
	{ "ssh|ssh://git:hunter2@host", "ssh|ssh://git:~@host" },
	{ "app|a=https://u:p@h,b=https://u:p@h", "app|a=https://u:~@h,b=https://u:~@h" },
	{ "npm|//u:p@h/", "npm|//u:~@h/" },
	{ "curl|https://h/?token=abc&x=1", "curl|https://h/?token=~&x=1" },
	{ "curl|https://h/?x=1&access_token=abc#f", "curl|https://h/?x=1&access_token=~#f" },
	{ "curl|https://h/?X-Amz-Signature=abc", "curl|https://h/?X-Amz-Signature=~" },
	{ "curl|https://h/?sv=1&sig=abc", "curl|https://h/?sv=1&sig=~" },
	{ "curl|-d|user=bob&password=hunter2&x=1", "curl|-d|user=bob&password=~&x=1" },
	/* NAME=value */
	{ "env|DB_PASSWORD=hunter2|app", "env|DB_PASSWORD=~|app" },
	{ "env|DB_PASSWORD=a b c|app", "env|DB_PASSWORD=~|app" },
	{ "env|PGPASSWORD=x|SSHPASS=y|MYSQL_PWD=z|app", "env|PGPASSWORD=~|SSHPASS=~|MYSQL_PWD=~|app" },
	{ "docker|run|-e|API_TOKEN=x|-eSECRET_KEY_BASE=y|img", "docker|run|-e|API_TOKEN=~|-eSECRET_KEY_BASE=~|img" },
	{ "env|AWS_SECRET_ACCESS_KEY=x|password1=y|app", "env|AWS_SECRET_ACCESS_KEY=~|password1=~|app" },
	{ "env|apiKey=x|clientSecret=y|dbpassword=z", "env|apiKey=~|clientSecret=~|dbpassword=~" },
	{ "env|REDISCLI_AUTH=x|GIT_CREDENTIALS=y", "env|REDISCLI_AUTH=~|GIT_CREDENTIALS=~" },
	{ "env|pAsSwOrD=x|app", "env|pAsSwOrD=~|app" },
	{ "env|VAULT_SECRET_ID=x|app", "env|VAULT_SECRET_ID=~|app" },
	{ "helm|install|--set|auth.rootPassword=x,replicas=2", "helm|install|--set|auth.rootPassword=~" },
	{ "helm|install|--set|replicas=2,auth.rootPassword=x,b=1", "helm|install|--set|replicas=2,auth.rootPassword=~,b=1" },
	{ "mount|-o|user=bob,password=x,vers=3|//s/d|/m", "mount|-o|user=bob,password=~,vers=3|//s/d|/m" },
	{ "app|Server=h;Database=d;Password=a b;Encrypt=yes", "app|Server=h;Database=d;Password=~;Encrypt=yes" },
	{ "app|Server=h;Pwd=x", "app|Server=h;Pwd=~" },
	{ "psql|host=h password=x dbname=d", "psql|host=h password=~ dbname=d" },
	{ "psql|host=h password='a b' dbname=d", "psql|host=h password='~' dbname=d" },
	{ "app|PASSWORD='a b' c", "app|PASSWORD=~" },
	/* JSON and the like */
	{ "app|{\"user\":\"bob\",\"password\":\"x\\\"y\",\"n\":1}", "app|{\"user\":\"bob\",\"password\":\"~\",\"n\":1}" },
	{ "app|{\"password\": \"a b\", \"user\": \"bob\"}", "app|{\"password\": \"~\", \"user\": \"bob\"}" },
	{ "app|{\"pin\":1,\"token\":12345,\"b\":2}", "app|{\"pin\":1,\"token\":~,\"b\":2}" },
	{ "app|{\"keys\":[\"a\",\"b\"],\"b\":2}", "app|{\"keys\":~,\"b\":2}" },
	{ "app|{\"secret\":{\"v\":\"x\"},\"b\":2}", "app|{\"secret\":~,\"b\":2}" },
	{ "app|{\\\"token\\\":\\\"abc\\\",\\\"b\\\":2}", "app|{\\\"token\\\":\\\"~\\\",\\\"b\\\":2}" },
	{ "app|{'password': 'x', 'b': 2}", "app|{'password': '~', 'b': 2}" },
	{ "php|-r|$c['password']='x';", "php|-r|$c['password']='~';" },
	{ "ruby|-e|{'token'=>'x'}", "ruby|-e|{'token'=>'~'}" },
	{ "mysql|-e|CREATE USER u IDENTIFIED BY 'x'", "mysql|-e|CREATE USER u IDENTIFIED BY '~'" },
	{ "mysql|-e|ALTER USER u IDENTIFIED WITH p BY 'it''s' REQUIRE SSL", "mysql|-e|ALTER USER u IDENTIFIED WITH p BY '~' REQUIRE SSL" },
	{ "psql|-c|ALTER ROLE u PASSWORD 'x' VALID", "psql|-c|ALTER ROLE u PASSWORD '~' VALID" },
	{ "mysql|-e|SET PASSWORD = PASSWORD('x')", "mysql|-e|SET PASSWORD = ~('~')" },
	{ "app|password: x, user: y", "app|password: ~" },
	{ "app|user: y, password: x y", "app|user: y, password: ~" },
	/* scripts */
	{ "sh|-c|mysql -phunter2 db", "sh|-c|mysql -p~ db" },
	{ "sh|-c|TOKEN=abc ./run --fast", "sh|-c|TOKEN=~ ./run --fast" },
	{ "bash|-lc|export TOKEN=abc; ./run", "bash|-lc|export TOKEN=~; ./run" },
	{ "bash|-c|curl -u bob:hunter2 https://h/ | jq .", "bash|-c|curl -u bob:~ https://h/ | jq ." },
	{ "bash|-c|curl -H \"Authorization: Bearer abc\" https://h/", "bash|-c|curl -H \"Authorization: ~\" https://h/" },
	{ "bash|-c|curl -H 'X-Api-Key: a b' -d '{\"token\":\"x\"}' h", "bash|-c|curl -H 'X-Api-Key: ~' -d '{\"token\":\"~\"}' h" },
	{ "sh|-c|app --password 'a b' --fast", "sh|-c|app --password '~' --fast" },
	{ "sh|-c|app --password=\"a b\" --fast", "sh|-c|app --password=\"~\" --fast" },
	{ "sh|-c|app \"--password=a b\" --fast", "sh|-c|app \"--password=~\" --fast" },
	{ "sh|-c|PASSWORD=a\"b c\"d run", "sh|-c|PASSWORD=~ run" },
	{ "sh|-c|PASSWORD='a b'c run", "sh|-c|PASSWORD=~ run" },
	{ "sh|-c|cd /x && sshpass -p 'a b' ssh h", "sh|-c|cd /x && sshpass -p '~' ssh h" },
	{ "ssh|host|mysql -phunter2 db", "ssh|host|mysql -p~ db" },
	{ "ssh|host|bash -c 'mysql -phunter2 db'", "ssh|host|bash -c 'mysql -p~ db'" },
	{ "sh|-c|echo hunter2 | docker login --password hunter3", "sh|-c|echo hunter2 | docker login --password ~" },
	{ "sh|-c|app --token\nabc", "sh|-c|app --token\n~" },
};

static const char *const must_stay[] = {
	"ls|-la|/tmp", "MONKEY=1|KEYBOARD=us", "app|--keyboard|us", "app|--key-type|rsa", "app|--key-type=rsa",
	"env|PWD=/root|OLDPWD=/|app", "app|TOKENIZER=x|--tokenizer=fast", "app|--hotkey=F1|--turkey|x",
	"grep|-rp|password|/etc", "grep|password=|file", "cat|/etc/passwd", "passwd|bob", "ssh-keygen|-t|rsa|-f|/k",
	"mkdir|-p|/a/b", "cp|-a|x|y", "sort|-u|file", "ps|-u|bob", "tar|-x|-f|a.tar", "docker|run|-p|80:80|nginx",
	"docker|run|-u|1000:1000|img", "id|-u|bob:x", "mysql|-u|root|-p|db", "curl|https://h/a?x=1&y=2",
	"curl|-o|u:x|https://h:8080/@scope/pkg", "git|clone|git@github.com:o/r.git", "git|clone|ssh://git@github.com/o/r",
	"app|http://auth:8080/x", "app|http://token/x", "app|https://h/p:q@r", "app|https://[::1]:80/@x",
	"app|/usr//lib/x@1.service", "app|image:1.2@sha256:abc", "npm|install|react@18",
	"kube-apiserver|--token-auth-file=/x|--service-account-key-file=/k|--tls-private-key-file=/t",
	"app|--password-file|/run/secrets/x", "app|--token-path=/x", "app|SECRET_NAME=x|TOKEN_URL=https://h/",
	"app|KEY_ID=x|--key-id|y", "app|--public-key=abc|--sort-key|x", "app|--compass=1|BYPASS=1",
	"app|--no-password|db", "sudo|--ask-pass|ls", "ansible|--ask-become-pass|x.yml", "app|--enable-token-auth|x",
	"ssh|-o|PasswordAuthentication=no|-o|StrictHostKeyChecking=no|h", "perl|-MAuth::SASL|-e|1",
	"app|--author=bob|--authority|x", "git|commit|--author|bob", "systemctl|status|token.service",
	"app|--max-tokens|3x|--max_tokens=3", "app|passenger=1|Password", "kubectl|get|secret|x", "vim|secret.txt",
	"app|--passive|--compass", "app|--password", "app|--token=", "app|TOKEN=", "sh|-c|echo $PASSWORD",
	"sh|-c|mkdir -p /a && cp -a b c", "find|/|-name|*.key", "app|--keyring|x|--keyserver=hkp", "app|identified: 3",
	"app|user:pass", "printf|%s|x", "",
};

static char in[4096], want[4096], out[16384], again[16384];

/* '|' to NUL; '~' to the replacement if wanted. Returns the length, a NUL at the end included. */
static size_t unfold(const char *folded, char *to, bool replace)
{
	size_t n = 0;

	for (; *folded; folded++) {
		if (*folded == '|' && folded[1] != ' ' && folded[-1] != ' ') {
			to[n++] = '\0';
		} else if (replace && *folded == '~') {
			memcpy(to + n, REDACTED, strlen(REDACTED));
			n += strlen(REDACTED);
		} else {
			to[n++] = *folded;
		}
	}
	to[n++] = '\0';
	return n;
}

static const char *printable(char *s, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		s[i] = s[i] ? s[i] : '|';
	s[n] = '\0';
	return s;
}

TEST(unit, redact_what_must_go)
{
	for (size_t i = 0; i < COUNT_OF(must_go); i++) {
		size_t n = unfold(must_go[i][0], in, false), length = unfold(must_go[i][1], want, true), got = 0;
		bool cut = true, found = redact_args(in, n, out, sizeof(out) - 1, &got, &cut);

		CHECK(found && !cut && got == length && !memcmp(out, want, length), "%s\n        gave %s", must_go[i][0],
		      found ? printable(out, got) : "nothing");
		if (found && got == length && !memcmp(out, want, length)) {
			CHECK(redact_args(out, got, again, sizeof(again), &n, &cut) && n == got && !memcmp(again, out, n),
			      "%s: not the same when done twice: %s", must_go[i][0], printable(again, n));
		}
	}
}

TEST(unit, redact_what_must_stay)
{
	for (size_t i = 0; i < COUNT_OF(must_stay); i++) {
		size_t n = unfold(must_stay[i], in, false), got = 0;
		bool cut, found = redact_args(in, n, out, sizeof(out) - 1, &got, &cut);

		CHECK(!found, "%s\n        gave %s", must_stay[i], found ? printable(out, got) : "");
	}
}

/* ---- nothing survives ---- */

/* '@' stands for the secret, in forms that hold any secret without quotes and spaces. */
static const char *const forms[] = {
	"--password|@", "--password=@", "-p|x|--token|@", "--api-key=@", "DB_PASSWORD=@", "env|TOKEN=@|x", "-DapiKey=@",
	"https://u:@@h/p", "https://@@h/", "postgres://u:@@h:1/d?x=y", "https://h/?token=@", "https://h/?a=b&password=@&c=d",
	"Authorization: Bearer @", "X-Api-Key: @", "{\"password\":\"@\"}", "{\"a\":1,\"token\": \"@\"}",
	"{\\\"secret\\\":\\\"@\\\"}", "Server=h;Password=@;Database=d", "host=h password=@ dbname=d", "user=u,password=@,x=y",
	"mysql|-p@", "sshpass|-p|@|ssh|h", "curl|-u|bob:@|h", "redis-cli|-a|@", "docker|login|-p|@", "nmcli|password|@",
	"--from-literal=x=@", "aws|set|aws_secret_access_key|@", "IDENTIFIED BY '@'", "ALTER USER u PASSWORD '@'",
	"password: @", "--header=Cookie: a=@", "['token'=>'@']", "smbclient|-U|u%@",
};

/* '#' stands for one of the above. */
static const char *const around[] = {
	"#", "app|-v|#", "sudo|-u|bob|#|-v", "sh|-c|#", "sh|-c|cd /x; # && y", "bash|-lc|run '#' z", "ssh|h|#",
	"sh|-c|# | tee x", "app|x y #",
};

static size_t expand(char *to, const char *pattern, char mark, const char *with)
{
	size_t n = 0;

	for (; *pattern; pattern++) {
		if (*pattern == mark) {
			strcpy(to + n, with);
			n += strlen(with);
		} else {
			to[n++] = *pattern;
		}
	}
	to[n] = '\0';
	return n;
}

/* As words of a script the arguments are apart by spaces, and inside quotes there are no others of its kind. */
static bool make_command(char *to, const char *frame, const char *form, const char *secret)
{
	static char filled[1024], one[1024];
	bool script = strstr(frame, "-c|") || strstr(frame, "-lc|") || strstr(frame, "ssh|") || strstr(frame, "x y ");
	size_t n = 0;

	if (script && (strstr(frame, "'#'") ? strchr(form, '\'') != NULL : false))
		return false;
	if (strstr(form, "@@")) { /* the second one is itself */
		expand(one, form, '@', "\1");
		*strchr(one, '\1') = '@';
		for (char *p = one; *p; p++)
			*p = *p == '\1' ? '\2' : *p;
		expand(filled, one, '@', secret);
		for (char *p = filled; *p; p++)
			*p = *p == '\2' ? '@' : *p;
	} else {
		expand(filled, form, '@', secret);
	}
	for (char *p = filled; script && *p; p++)
		*p = *p == '|' ? ' ' : *p;
	n = expand(to, frame, '#', filled);
	for (size_t i = 0; i < n; i++)
		to[i] = to[i] == '|' && (i + 1 == n || to[i + 1] != ' ') ? '\0' : to[i];
	return true;
}

static void check_gone(const char *args, size_t n, const char *secret, size_t known)
{
	size_t length = 0;
	bool cut, found = redact_args(args, n, out, sizeof(out) - 1, &length, &cut);

	memcpy(in, args, n);
	CHECK(found && !memmem(out, length, secret, known), "%s\n        gave %s", printable(in, n),
	      found ? printable(out, length) : "nothing");
}

TEST(unit, redact_nothing_survives)
{
	static const char *const secrets[] = { "S3cr3tValue", "[x]S3cr3t", "a-b_c.d~e+f", "--S3cr3t0", "x==", "%40S3cr3t" };
	static char command[2048];
	unsigned commands = 0;

	for (unsigned f = 0; f < COUNT_OF(around); f++) {
		for (unsigned k = 0; k < COUNT_OF(forms); k++) {
			for (unsigned i = 0; i < COUNT_OF(secrets); i++) {
				const char *secret = secrets[i];
				bool dashes = strchr(forms[k], '|') && secret[0] == '-'; /* reads as the next flag */

				memset(command, 0, sizeof(command));
				if (dashes || !make_command(command, around[f], forms[k], secret))
					continue;
				commands++;
				for (size_t n = sizeof(command); n; n--)
					if (command[n - 1]) {
						check_gone(command, n + 1, secret, strlen(secret));
						check_gone(command, n, secret, strlen(secret));
						break;
					}
			}
		}
	}
	CHECK(commands > 1500, "%u commands", commands);
}

/* Arguments that end within the secret. */
TEST(unit, redact_cut_off)
{
	static const char secret[] = "S3cr3tValue";
	static char command[2048];

	for (unsigned k = 0; k < COUNT_OF(forms); k++) {
		const char *at;

		if (!strcmp(forms[k], "https://@@h/")) /* without its '@' a token looks like a host */
			continue;
		memset(command, 0, sizeof(command));
		make_command(command, "app|#", forms[k], secret);
		at = memmem(command, sizeof(command), secret, strlen(secret));
		REQUIRE(at, "%s", forms[k]);
		for (size_t known = 3; known < strlen(secret); known++)
			check_gone(command, (size_t)(at - command) + known, secret, known);
	}
}

TEST(unit, redact_bounds)
{
	size_t n, length, full, got;
	bool cut;

	n = unfold("app|--password=x|--token=y|z", in, false);
	redact_args(in, n, out, sizeof(out), &full, &cut);
	for (size_t max = 0; max < full + 5; max++) {
		memset(again, '!', sizeof(again));
		CHECK(redact_args(in, n, again, max, &length, &cut) && length <= max && cut == (max < full) &&
			      !memcmp(again, out, length) && again[length] == '!', "at most %zu", max);
	}
	CHECK(!redact_args(in, 0, out, sizeof(out), &got, &cut), "of nothing");
	for (size_t size = 0; size < 64; size++) { /* the glance looks at the end, too */
		memset(in, 'x', size);
		memcpy(in + size, "\0TOKEN=y", 8);
		CHECK(redact_args(in, size + 8, out, sizeof(out), &length, &cut) && length == size + 7 + strlen(REDACTED),
		      "behind %zu bytes", size);
	}
}

/* ---- events ---- */

static union record r;
static struct redacted memory;

static struct event_view exec_event(const char *args, size_t n)
{
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	RECORD_TAIL(&r, &r.exec.exe, "app\0bin\0");
	record_tail(&r, &r.exec.args, args, n);
	RECORD_TAIL(&r, &r.exec.cwd, "home\0");
	return record_view(&r);
}

static const char *json_of(const struct event_view *view)
{
	static struct buf json = BUF_INIT(1 << 20);

	buf_reset(&json);
	json_event(&json, view);
	CHECK(strict_json_line(json.data, json.length), "not JSON");
	return buf_cstr(&json);
}

TEST(unit, redact_event)
{
	struct event_view view = exec_event("app\0-v\0", 7), shown;
	const struct event_desc *desc;
	const char *json;

	redact_view(&view, REDACT_SECRETS, &memory, &shown);
	CHECK(shown.ev == view.ev, "copied without need");
	view = exec_event("app\0--token\0abc\0", 16);
	redact_view(&view, REDACT_FULL, &memory, &shown);
	CHECK(shown.ev == view.ev, "nothing was to be redacted");
	redact_view(&view, REDACT_SECRETS, &memory, &shown);
	json = json_of(&shown);
	CHECK(strstr(json, "\"process.command_args\":[\"app\",\"--token\",\"[redacted]\"]") &&
		      strstr(json, "\"tapio.absent\":[\"process.args.size\"]") && !strstr(json, "args.size\":") &&
		      !strstr(json, "truncated") && strstr(json, "\"process.working_directory\":\"/home\""), "%s", json);
	CHECK(!event_check(shown.ev, shown.ev->size, &desc) && !memmem(shown.ev, shown.ev->size, "abc", 3),
	      "the copy holds the secret, or is no record");
	CHECK(strstr(json_of(&view), "\"abc\""), "the record itself was changed");
	redact_view(&view, REDACT_ALL, &memory, &shown);
	json = json_of(&shown);
	CHECK(!strstr(json, "command_args\":") && strstr(json, "\"tapio.absent\":[\"process.command_args\"]") &&
		      !memmem(shown.ev, shown.ev->size, "abc", 3), "%s", json);
	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	view = record_view(&r);
	redact_view(&view, REDACT_ALL, &memory, &shown);
	CHECK(shown.ev == view.ev, "an event without arguments");
}

TEST(unit, redact_event_with_absent_fields)
{
	struct event_view view = exec_event("app\0--token\0abc\0", 16), shown;
	struct event_absent absent = { .mask = 1, .json = "[\"process.pid\"]" };

	view.absent = &absent;
	redact_view(&view, REDACT_SECRETS, &memory, &shown);
	CHECK(strstr(json_of(&shown), "\"tapio.absent\":[\"process.pid\",\"process.args.size\"]"), "%s", json_of(&shown));
	redact_view(&view, REDACT_ALL, &memory, &shown);
	CHECK(strstr(json_of(&shown), "[\"process.pid\",\"process.command_args\"]"), "%s", json_of(&shown));
	absent.json = "[]";
	redact_view(&view, REDACT_ALL, &memory, &shown);
	CHECK(strstr(json_of(&shown), "\"tapio.absent\":[\"process.command_args\"]"), "%s", json_of(&shown));
}

/* A record that is full: the arguments stay where they are, and may be cut. */
TEST(unit, redact_event_without_room)
{
	static char args[TAPIO_RECORD_MAX];
	struct event_view view, shown;
	size_t room = TAPIO_RECORD_MAX - sizeof(r.exec) - 13;

	for (size_t n = room - 20; n <= room; n++) {
		memset(args, 'x', n);
		memcpy(args, "app\0--token\0S3cr3tValue", 24);
		view = exec_event(args, n);
		REQUIRE(view.desc, "%zu", n);
		redact_view(&view, REDACT_SECRETS, &memory, &shown);
		CHECK(shown.ev != view.ev && !memmem(shown.ev, shown.ev->size, "S3cr3t", 6) &&
			      shown.ev->size <= TAPIO_RECORD_MAX && !((struct tapio_process_exec *)shown.ev)->args_truncated,
		      "%zu bytes", n);
		json_of(&shown);
	}
	for (size_t i = 0; i < room; i += 4) /* each becomes longer */
		memcpy(args + i, "-p1", 4);
	memcpy(args, "mysql\0", 6);
	view = exec_event(args, room);
	redact_view(&view, REDACT_SECRETS, &memory, &shown);
	CHECK(((struct tapio_process_exec *)shown.ev)->args_truncated && shown.ev->size <= TAPIO_RECORD_MAX &&
		      !memmem(shown.ev, shown.ev->size, "-p1", 3), "%u bytes", shown.ev->size);
	json_of(&shown);
}
