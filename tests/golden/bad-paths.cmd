run no-such-file.scn
run ../../backends/pmem
run
