// SPDX-License-Identifier: MIT
/* Tests of the scenario parser: what it says of scenarios that are wrong, to the letter. */
#include "tests/parse_message.h"

/* Whole files. */
static const struct error_case file_errors[] = {
	{ "# nothing\n", "1:1: error: expected 'scenario NAME', found the end of the text" },
	{ "device 1m\n", "1:1: error: expected 'scenario NAME', found 'device'" },
	{ "scenario\n", "1:9: error: expected the scenario's name, found the end of the line" },
	{ "scenario 9\n",
	  "1:10: error: '9' cannot be a name: a name has letters, digits, '_', "
	  "'.' and '-', and begins with a letter or '_'" },
	{ "scenario t u\n", "1:12: error: expected the end of the line, found 'u'" },
	{ "scenario t\n", "1:1: error: scenario 't' has no fs line, such as: fs ext2@v11" },
	{ "scenario t; fs ext2; scenario u\n",
	  "1:22: error: a second 'scenario'; the first is at line 1" },
	{ H "devise 1m\n", "3:1: error: unknown word 'devise'; did you mean 'device'?" },
	{ H "mread m 0 1\n",
	  "3:1: error: 'mread' is a command: it belongs in setup, a session or "
	  "final" },
	{ H "}\n", "3:1: error: '}' without a '{'" },
	{ H "{\n", "3:1: error: expected a word such as fs, setup or session, found '{'" },
	{ H "device\n",
	  "3:7: error: expected the device's size, such as 1m, found the end of "
	  "the line" },
	{ H "device 5000000\n", "3:8: error: a device is a multiple of 4k; write 4884k" },
	{ H "device 32k\n", "3:8: error: a device has at least 64k" },
	{ H "device 17t\n", "3:8: error: a device has at most 16t" },
	{ H "device 4x\n", "3:8: error: expected the device's size, such as 1m, found '4x'" },
	{ H "device 4K\n", "3:8: error: expected the device's size, such as 1m, found '4K'" },
	{ H "device 8388608t\n",
	  "3:8: error: '8388608t' is too big: numbers end at 9223372036854775807" },
	{ H "device 99999999999999999999\n",
	  "3:8: error: '99999999999999999999' is too big: numbers end at "
	  "9223372036854775807" },
	{ H "device 1m 2m\n", "3:11: error: expected the end of the line, found '2m'" },
	{ H "device 1m\ndevice 2m\n", "4:1: error: a second 'device'; the first is at line 3" },
	{ "scenario t\nfs ext9\n", "2:4: error: unknown file system 'ext9'; did you mean 'ext2'?" },
	{ "scenario t\nfs\n",
	  "2:3: error: expected a file system such as ext2@v11, found the end of "
	  "the line" },
	{ "scenario t\nfs ext2@v1\n", "2:9: error: unknown profile 'v1'; did you mean 'v10'?" },
	{ "scenario t\nfs ext2 -clear-under-mmap\n",
	  "2:9: error: unknown protection 'clear-under-mmap'; did you mean "
	  "'clear-under-i_mmap'?" },
	{ "scenario t\nfs ext2 -p3 +clear-under-i_mmap\n",
	  "2:13: error: protection 'clear-under-i_mmap' is given twice" },
	{ "scenario t\nfs ext2 p3\n",
	  "2:9: error: expected +PROTECTION, -PROTECTION, 'expect' or the end of "
	  "the line, found 'p3'" },
	{ "scenario t\nfs ext2 expect\n",
	  "2:15: error: expected 'clean' or 'bug', found the end of the line" },
	{ "scenario t\nfs ext2 expect bug\n",
	  "2:19: error: expected an invariant such as stale-pte, found the end "
	  "of the line" },
	{ "scenario t\nfs ext2 expect bug stale-ptee\n",
	  "2:20: error: unknown invariant 'stale-ptee'; did you mean 'stale-pte'?" },
	{ "scenario t\nfs ext2 expect bug stale-pte deadlock\n",
	  "2:30: error: expected ',' or the end of the line, found 'deadlock'" },
	{ "scenario t\nfs ext2 expect bug stale-pte,\n",
	  "2:30: error: expected an invariant such as stale-pte, found the end "
	  "of the line" },
	{ "scenario t\nfs ext2 expect clean stale-pte\n",
	  "2:22: error: expected ',' or the end of the line, found 'stale-pte'" },
	{ H "expect maybe\n", "3:8: error: expected 'clean' or 'bug', found 'maybe'" },
	{ H "expect clean\nexpect clean\n",
	  "4:1: error: a second 'expect'; the first is at line 3" },
	{ H "ignore\n",
	  "3:7: error: expected an invariant such as stale-pte, found the end of "
	  "the line" },
	{ H "expect bug stale-pte\nignore stale-pte\n",
	  "2:4: error: ext2@v11 expects stale-pte, which this scenario ignores" },
	{ H "setup\n", "3:6: error: expected '{', found the end of the text" },
	{ H "setup {\ncreate f\n", "4:9: error: unclosed '{' opened at line 3" },
	{ H "setup { create f }\nsetup { create g }\n",
	  "4:1: error: a second 'setup'; the first is at line 3" },
	{ H "setup {\n\tcreate f\nsession a {\n",
	  "5:1: error: 'session' cannot stand inside a block: is the '}' missing "
	  "for the '{' of line 3?" },
	{ H "setup {\n\tstep a { thaw }\n}\n",
	  "4:2: error: a step can stand only in a session, and not in another "
	  "step" },
	{ H "session\n", "3:8: error: expected the session's name, found the end of the line" },
	{ H "session a b { thaw }\n", "3:11: error: expected '{', found 'b'" },
	{ H "session a in { thaw }\n", "3:14: error: expected the process's name, found '{'" },
	{ H "session a { }\n", "3:9: error: session 'a' does nothing" },
	{ H "session a { step b { } }\n", "3:18: error: step 'b' has no commands" },
	{ H "session a { thaw }\nsession a { thaw }\n",
	  "4:9: error: there is a session 'a' already, at line 3" },
	{ H "session a { step x { thaw } }\nsession b { step x { thaw } }\n",
	  "4:18: error: there is a step 'x' already, at line 3" },
	{ H "session a { step b { thaw }; thaw }\n",
	  "3:30: error: session 'a' has steps: its commands belong into them" },
	{ H "session a { thaw; step b { thaw } }\n",
	  "3:19: error: session 'a' has commands outside its steps" },
	{ H "session a { stepp b { thaw } }\n",
	  "3:13: error: unknown word 'stepp'; did you mean 'step'?" },
	{ H "session a { step until { thaw } }\n",
	  "3:18: error: a step cannot be called 'until': that word means "
	  "something in a schedule, or ends it" },
	{ H "session a { step final { thaw } }\n",
	  "3:18: error: a step cannot be called 'final': that word means "
	  "something in a schedule, or ends it" },
	{ H "session s0 { thaw }\nsession s1 { thaw }\nsession s2 { thaw "
	  "}\nsession s3 { thaw }\nsession s4 { thaw }\nsession s5 { thaw "
	  "}\nsession s6 { thaw }\nsession s7 { thaw }\nsession s8 { thaw }\n",
	  "11:9: error: a scenario has at most 8 sessions" },
	{ H "schedule { }\n", "3:10: error: schedule 'schedule' has no entries" },
	{ H "schedule x { a }\n", "3:14: error: unknown step 'a'; there is none" },
	{ H "session fault { step store { thaw } }\nschedule { stor }\n",
	  "4:12: error: unknown step 'stor'; did you mean 'store'?" },
	{ H "session fault { step store { thaw } }\nschedule { fault }\n",
	  "4:12: error: 'fault' is a session; a schedule names its steps, such "
	  "as 'store'" },
	{ H "session fault { step store { thaw } }\nschedule { store:3 }\n",
	  "4:12: error: 'store' is a step; points are counted by session, here "
	  "'fault'" },
	{ H "session fault { step store { thaw } }\nschedule { fautl:3 }\n",
	  "4:12: error: unknown session 'fautl'; did you mean 'fault'?" },
	{ H "session fault { step store { thaw } }\nschedule { fault:0 }\n",
	  "4:18: error: expected a number from 1 to 4294967294, found '0'" },
	{ H "session fault { step store { thaw } }\nschedule { fault:x }\n",
	  "4:18: error: expected a number from 1 to 4294967294, found 'x'" },
	{ H "session fault { step store { thaw } }\nschedule { store until }\n",
	  "4:24: error: expected a point such as dax_insert_mapping, found '}'" },
	{ H "session fault { step store { thaw } }\nschedule { store until get_blok }\n",
	  "4:24: error: unknown point 'get_blok'; did you mean 'get_block'?" },
	{ H "session fault { step store { thaw } }\nschedule { store until i_mmap_mutx }\n",
	  "4:24: error: unknown point 'i_mmap_mutx'; did you mean 'i_mmap_mutex'?" },
	{ H "session fault { step store { thaw } }\nschedule { store until xyzzy }\n",
	  "4:24: error: unknown point 'xyzzy'" },
	{ H "session fault { step store { thaw } }\nschedule { store until get_block 0 }\n",
	  "4:34: error: expected a number from 1 to 4294967295, found '0'" },
	{ H "session fault { step store { thaw } }\nschedule { store@get_block#x }\n",
	  "4:28: error: expected a number from 1 to 4294967295, found 'x'" },
	{ H "session fault { step store { thaw } }\nschedule { store@ }\n",
	  "4:18: error: unknown point ''" },
	{ H "session fault { step store { thaw } }\nschedule { store [blocks i_mutex] }\n",
	  "4:26: error: expected 'blocks on LOCK', found 'i_mutex'" },
	{ H "session fault { step store { thaw } }\nschedule { store [blocks on i_mutx] }\n",
	  "4:29: error: unknown lock 'i_mutx'; did you mean 'i_mutex'?" },
	{ H "session fault { step store { thaw } }\nschedule { store [blocks on i_mutex(x)] }\n",
	  "4:37: error: unknown file or process 'x'; known: main" },
	{ H "session fault { step store { thaw } }\nschedule { store [blocks on i_mutex }\n",
	  "4:37: error: expected ']', found '}'" },
	{ H "session a { step a1 { thaw }; step a2 { thaw } }\nschedule { a2 }\n",
	  "4:12: error: step 'a1' must come first: it stands before 'a2' in "
	  "session 'a'" },
	{ H "session a { step a1 { thaw }; step a2 { thaw } }\nschedule { a1 a2 a1 }\n",
	  "4:18: error: step 'a1' is over here: 'a2' comes after it in session "
	  "'a'" },
	{ H "session a { thaw }\nschedule x { a }\nschedule x { a }\n",
	  "5:10: error: there is a schedule 'x' already, at line 4" },
	{ H "session a { thaw }\nschedule x {\na\nfinal { thaw }\n",
	  "6:1: error: 'final' cannot stand inside a block: is the '}' missing "
	  "for the '{' of line 4?" },
	{ H "final { }\n", "3:7: error: a final block without commands asks for nothing" },
	{ H "final maybe { thaw }\n",
	  "3:7: error: expected 'always', 'sometimes', 'never', 'if' or '{', "
	  "found 'maybe'" },
	{ H "final if { thaw }\n", "3:10: error: expected 'bug' or 'clean', found '{'" },
	{ H "final\n", "3:6: error: expected '{', found the end of the text" },
	{ H "setup {\n\tcreate f; open g\n}\n", "4:17: error: unknown file 'g'; known: f" },
	{ H "setup {\n\tcreate file; fsync fil\n}\n",
	  "4:21: error: unknown file 'fil'; did you mean 'file'?" },
	{ H "setup { create f; mmap m f 0 4k shared; fsync m }\n",
	  "3:47: error: 'm' is a mapping, not a file" },
	{ H "setup { create f; mread f 0 1 }\n", "3:25: error: 'f' is a file, not a mapping" },
	{ H "setup { create f\x01"" }\n",
	  "3:17: error: control character \\x01 outside a comment or a string" },
	{ H "# caf\xe9""\n", "3:6: error: byte \\xe9 is not valid UTF-8" },
	{ H "caf\xc3""\xa9""\n",
	  "3:4: error: '\xc3""\xa9""' can stand only in a comment or a string" },
	{ H "setup { create f ! 0 }\n", "3:18: error: expected '!=', found '!'" },
	{ H "setup { create "
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff }\n",
	  "3:16: error: a word of 200 bytes; the longest allowed has 127" },
	{ H "setup { create f; pread f 0 4 = \"abc\n }\n",
	  "3:33: error: a string without its closing '\"'" },
	{ H "setup { create f; pread f 0 4 = \"a\\q\" }\n",
	  "3:35: error: unknown escape in a string; there are \\n \\t \\\\ \\\" "
	  "\\0 and \\xNN" },
	{ H "\tsetup {\tmwrit }\n", "3:10: error: unknown verb 'mwrit'; did you mean 'mwrite'?" },
};

/* Single commands, in the fourth line of a scenario with a file f and a mapping m. */
static const struct error_case cmd_errors[] = {
	{ "mwrit m 0 8", "4:9: error: unknown verb 'mwrit'; did you mean 'mwrite'?" },
	{ "xyzzy", "4:9: error: unknown verb 'xyzzy'" },
	{ "= 3", "4:9: error: expected a command, found '='" },
	{ "mread",
	  "4:15: error: expected a mapping, found '}' (usage: mread MAPPING "
	  "OFFSET LENGTH)" },
	{ "mread m",
	  "4:17: error: expected an offset such as 4k, found '}' (usage: mread "
	  "MAPPING OFFSET LENGTH)" },
	{ "mread m 0",
	  "4:19: error: expected a length such as 4k, found '}' (usage: mread "
	  "MAPPING OFFSET LENGTH)" },
	{ "mread m 0 0", "4:19: error: mread takes a length of 1 to 1g" },
	{ "mread m 0 1025m", "4:19: error: mread takes a length of 1 to 1g" },
	{ "pwrite f 0 2g", "4:20: error: pwrite takes a length of 1 to 1g" },
	{ "mread m x 1",
	  "4:17: error: expected an offset such as 4k, found 'x' (usage: mread "
	  "MAPPING OFFSET LENGTH)" },
	{ "mread m 0 1 1",
	  "4:21: error: expected '=' or the end of the command, found '1' "
	  "(usage: mread MAPPING OFFSET LENGTH)" },
	{ "truncate f",
	  "4:20: error: expected a size such as 4k, found '}' (usage: truncate "
	  "FILE SIZE)" },
	{ "truncate f 99999999999999999999",
	  "4:20: error: '99999999999999999999' is too big: numbers end at "
	  "9223372036854775807" },
	{ "truncate f 4q",
	  "4:20: error: expected a size such as 4k, found '4q' (usage: truncate "
	  "FILE SIZE)" },
	{ "mmap n f 0 4k",
	  "4:23: error: expected 'shared' or 'private', found '}' (usage: mmap "
	  "MAPPING FILE OFFSET LENGTH shared|private [ro|rw])" },
	{ "mmap n f 0 4k shard",
	  "4:23: error: expected 'shared' or 'private', found 'shard' (usage: "
	  "mmap MAPPING FILE OFFSET LENGTH shared|private [ro|rw])" },
	{ "mmap n f 0 4k shared rx",
	  "4:30: error: expected '=' or the end of the command, found 'rx' "
	  "(usage: mmap MAPPING FILE OFFSET LENGTH shared|private [ro|rw])" },
	{ "open f as",
	  "4:19: error: expected a name for the handle, found '}' (usage: open "
	  "FILE [ro|rw] [as HANDLE])" },
	{ "open f as 7",
	  "4:19: error: '7' cannot be a name: a name has letters, digits, '_', "
	  "'.' and '-', and begins with a letter or '_'" },
	{ "create",
	  "4:16: error: expected a name for the file, found '}' (usage: create "
	  "FILE)" },
	{ "create f g",
	  "4:18: error: expected '=' or the end of the command, found 'g' "
	  "(usage: create FILE)" },
	{ "fallocate f 0 4k -k",
	  "4:26: error: expected '=' or the end of the command, found '-k' "
	  "(usage: fallocate [-k] FILE OFFSET LENGTH)" },
	{ "munmap m 0",
	  "4:20: error: expected a length such as 4k, found '}' (usage: munmap "
	  "MAPPING [OFFSET LENGTH])" },
	{ "mprotect m 0 4k",
	  "4:25: error: expected 'ro', 'rw' or 'none', found '}' (usage: mprotect "
	  "MAPPING OFFSET LENGTH ro|rw|none)" },
	{ "mprotect m 0 rw",
	  "4:22: error: expected a size such as 4k, found 'rw' (usage: mprotect "
	  "MAPPING OFFSET LENGTH ro|rw|none)" },
	{ "mprotect f 0 4k rw", "4:18: error: 'f' is a file, not a mapping" },
	{ "mremap m",
	  "4:18: error: expected a size such as 4k, found '}' (usage: mremap MAPPING SIZE)" },
	{ "mremap m 4k maymove",
	  "4:21: error: expected '=' or the end of the command, found 'maymove' "
	  "(usage: mremap MAPPING SIZE)" },
	{ "mwrite m 0 8 256", "4:22: error: '256' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "mwrite m 0 8 zz", "4:22: error: 'zz' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "mwrite m 0 8 4k", "4:22: error: '4k' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "mwrite -S 1 m 0 8 2", "4:27: error: the byte is given twice: -S has it already" },
	{ "pwrite -S m 0 8", "4:19: error: 'm' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "pwrite -S 1 f 0 8 from m 0", "4:27: error: '-S' and 'from' exclude each other" },
	{ "pread f 0 8 from m 0",
	  "4:21: error: expected '=' or the end of the command, found 'from' "
	  "(usage: pread FILE OFFSET LENGTH [to MAPPING OFFSET])" },
	{ "pread f 0 8 to",
	  "4:24: error: expected a mapping, found '}' (usage: pread FILE OFFSET "
	  "LENGTH [to MAPPING OFFSET])" },
	{ "pread f 0 8 to f 0", "4:24: error: 'f' is a file, not a mapping" },
	{ "faults f",
	  "4:16: error: expected '=' or the end of the command, found 'f' "
	  "(usage: faults)" },
	{ "inject",
	  "4:16: error: expected a place such as get_block, found '}' (usage: "
	  "inject get_block|direct_access|clear|copy -ERRNO|short N|fault [after "
	  "N] [times N])" },
	{ "inject getblock -EIO",
	  "4:16: error: unknown place for an error 'getblock'; did you mean "
	  "'get_block'?" },
	{ "inject clear",
	  "4:22: error: expected -ERRNO, short or fault, found '}' (usage: "
	  "inject get_block|direct_access|clear|copy -ERRNO|short N|fault [after "
	  "N] [times N])" },
	{ "inject clear short 4k", "4:22: error: only direct_access can come back short" },
	{ "inject clear fault", "4:22: error: only copy can fault; write an error such as -EIO" },
	{ "inject clear -EIO times 0", "4:33: error: times begins at 1" },
	{ "inject clear EIO",
	  "4:22: error: expected -ERRNO, short or fault, found 'EIO' (usage: "
	  "inject get_block|direct_access|clear|copy -ERRNO|short N|fault [after "
	  "N] [times N])" },
	{ "inject clear -EIOO", "4:22: error: unknown error 'EIOO'; did you mean 'EIO'?" },
	{ "inject clear -EIO = 1", "4:29: error: inject returns 0, never 1" },
	{ "truncate f 0 =",
	  "4:24: error: expected a result, found '}' (usage: truncate FILE SIZE)" },
	{ "truncate f 0 = 5", "4:24: error: truncate returns 0 or -ERRNO, never 5" },
	{ "truncate f 0 = SIGBUS",
	  "4:24: error: truncate cannot result in 'SIGBUS', only in 0 or -ERRNO" },
	{ "truncate f 0 = -ENOSPCC",
	  "4:24: error: unknown error 'ENOSPCC'; did you mean 'ENOSPC'?" },
	{ "truncate f 0 = -28", "4:24: error: errors are written by name: -ENOSPC, not -28" },
	{ "truncate f 0 = -999", "4:24: error: errors are written by name: -ENOSPC, not -999" },
	{ "truncate f 0 = ENOSPC", "4:24: error: errors have a minus: write -ENOSPC" },
	{ "truncate f 0 = 0x00",
	  "4:24: error: truncate cannot result in '0x00', only in 0 or -ERRNO" },
	{ "truncate f 0 = ok", "4:24: error: truncate cannot result in 'ok', only in 0 or -ERRNO" },
	{ "truncate f 0 = 0 1",
	  "4:26: error: expected 'or' or the end of the command, found '1' "
	  "(usage: truncate FILE SIZE)" },
	{ "truncate f 0 = 0 or",
	  "4:29: error: expected a result, found '}' (usage: truncate FILE SIZE)" },
	{ "truncate f 0 != 0 or -EIO", "4:27: error: '!=' takes one value" },
	{ "truncate f 0 != ...", "4:25: error: '!= ...' can never be met" },
	{ "truncate f 0 = \"x\"",
	  "4:24: error: truncate cannot result in a string, only in 0 or -ERRNO" },
	{ "mread m 0 8 = 0",
	  "4:23: error: mread returns its length, here 8, or a signal; to "
	  "compare contents write the byte as 0x00" },
	{ "mread m 0 8 = 300",
	  "4:23: error: mread returns its length, here 8, or a signal; to "
	  "compare contents write a byte as 0x00" },
	{ "mwrite m 0 8 = 0", "4:24: error: mwrite returns its length, here 8, or a signal" },
	{ "mread m 0 8 = SIGBUSS",
	  "4:23: error: unknown signal 'SIGBUSS'; did you mean 'SIGBUS'?" },
	{ "mread m 0 8 = SIGILL", "4:23: error: unknown signal 'SIGILL'; did you mean 'SIGBUS'?" },
	{ "mread m 0 8 = -EIO",
	  "4:23: error: mread cannot result in '-EIO', only in its length in "
	  "decimal, contents such as 0x5a or \"text\", or a signal" },
	{ "mread m 0 8 = 0x100", "4:23: error: '0x100' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "mread m 0 8 = 0xzz", "4:23: error: '0xzz' is not a byte: 0 to 255, or 0x00 to 0xff" },
	{ "mread m 0 8 = \"\"", "4:23: error: an empty string compares with nothing" },
	{ "mread m 0 8 = \"123456789\"", "4:23: error: the string has 9 bytes, but mread reads 8" },
	{ "mread m 0 8 = \"123\"", "4:23: error: the string has 3 bytes, but mread reads 8" },
	{ "pread f 0 8 = 9",
	  "4:23: error: pread returns at most its length, here 8; to compare "
	  "contents write the byte as 0x09" },
	{ "pread f 0 8 = 4k",
	  "4:23: error: pread returns at most its length, here 8; to compare "
	  "contents write a byte as 0x00" },
	{ "pread f 0 8 = SIGBUS",
	  "4:23: error: pread cannot result in 'SIGBUS', only in a count in "
	  "decimal, contents such as 0x5a or \"text\", or -ERRNO" },
	{ "pwrite f 0 8 = 9", "4:24: error: pwrite returns at most its length, here 8" },
	{ "pwrite f 0 8 = 0x08",
	  "4:24: error: pwrite cannot result in '0x08', only in a count in "
	  "decimal or -ERRNO" },
	{ "fiemap f = 3",
	  "4:20: error: fiemap cannot result in '3', only in extents in pages "
	  "such as [0+3 U][3+1 W], none, or -ERRNO" },
	{ "fiemap f = [0+3]",
	  "4:24: error: expected 'W' (written) or 'U' (unwritten), found ']' "
	  "(usage: fiemap FILE)" },
	{ "fiemap f = [0-3 U]",
	  "4:21: error: expected pages such as 0+3, found '0-3' (usage: fiemap "
	  "FILE)" },
	{ "fiemap f = [0+0 U]",
	  "4:21: error: expected pages such as 0+3, found '0+0' (usage: fiemap "
	  "FILE)" },
	{ "fiemap f = [0+6k U]",
	  "4:21: error: expected pages such as 0+3, found '0+6k' (usage: fiemap "
	  "FILE)" },
	{ "fiemap f = [0+3 U][2+1 W]",
	  "4:28: error: extents stand in the order of their pages and do not "
	  "overlap" },
	{ "fiemap f = [0+3 U", "4:27: error: expected ']', found '}' (usage: fiemap FILE)" },
	{ "fiemap f = [0+3 X]",
	  "4:25: error: expected 'W' (written) or 'U' (unwritten), found 'X' "
	  "(usage: fiemap FILE)" },
	{ "fiemap f = 0+3",
	  "4:20: error: fiemap cannot result in '0+3', only in extents in pages "
	  "such as [0+3 U][3+1 W], none, or -ERRNO" },
	{ "stat f = size", "4:23: error: expected a number, found '}' (usage: stat FILE)" },
	{ "stat f = size 4k size 4k", "4:26: error: 'size' is given twice" },
	{ "stat f = 4k",
	  "4:18: error: stat cannot result in '4k', only in size N, blocks N, "
	  "nlink N, or -ERRNO" },
	{ "stat f = min 1",
	  "4:18: error: stat cannot result in 'min', only in size N, blocks N, "
	  "nlink N, or -ERRNO" },
	{ "stat f = size 4k link 1",
	  "4:26: error: expected 'or' or the end of the command, found 'link' "
	  "(usage: stat FILE)" },
	{ "faults = size 3", "4:18: error: faults cannot result in 'size', only in min N, maj N" },
	{ "faults = -EIO", "4:18: error: faults cannot result in '-EIO', only in min N, maj N" },
	{ "faults = none", "4:18: error: faults cannot result in 'none', only in min N, maj N" },
	{ "create f { }",
	  "4:18: error: expected '=' or the end of the command, found '{' "
	  "(usage: create FILE)" },
	{ "create f )",
	  "4:18: error: expected '=' or the end of the command, found ')' "
	  "(usage: create FILE)" },
};

Test(parse_error, files)
{
	for (size_t i = 0; i < ARRAY_SIZE(file_errors); i++) {
		const char *text = file_errors[i].text;

		expect_error(errors_of(text, strlen(text)), file_errors[i].error, text);
	}
}

Test(parse_error, commands)
{
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(cmd_errors); i++) {
		snprintf(text, sizeof(text),
			 H "setup { create f; mmap m f 0 8k shared }\nfinal { %s }\n",
			 cmd_errors[i].text);
		expect_error(errors_of(text, strlen(text)), cmd_errors[i].error, text);
	}
}

Test(parse_error, whole_message)
{
	static const char text[] = H "setup {\n\tmwrit m 4k 8\n}\n";
	char *out = errors_of(text, strlen(text));

	cr_assert_not_null(out);
	cr_expect_str_eq(out, "t.scn:4:2: error: unknown verb 'mwrit'; did you mean 'mwrite'?\n"
			      "    4 |         mwrit m 4k 8\n"
			      "      |         ^\n");
	free(out);
}

/* What a profile lacks today may be a row tomorrow: only the beginning is compared. */
Test(parse_error, open_lists)
{
	static const struct error_case cases[] = {
		{ "scenario t\nfs xyzzyfs\n", " unknown file system 'xyzzyfs'; known: " },
		{ "scenario t\nfs ext2@newest\n", " unknown profile 'newest'; known: v10, v11" },
		{ "scenario t\nfs ext2 -xyzzy\n", " unknown protection 'xyzzy'" },
		{ H "ignore xyzzy\n", " unknown invariant 'xyzzy'" },
		{ H "xyzzy\n", " unknown word 'xyzzy'; known: scenario, device, fs, " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *out = errors_of(cases[i].text, strlen(cases[i].text)), *error;

		cr_assert_not_null(out);
		error = strstr(out, "error:") + strlen("error:");
		cr_expect_eq(strncmp(error, cases[i].error, strlen(cases[i].error)), 0, "%s", out);
		free(out);
	}
}
