/**
 * What our programs get of this program's environment: where things are, language, hardware, and what is Holdfast's own.
 * Tokens stay behind, and so does whatever makes a Node or a loader run somebody else's code.
 */

const passed = new RegExp(
  `^(${[
    'PATH|PATHEXT|HOME|USER|LOGNAME|USERNAME|USERPROFILE|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|PROGRAMDATA',
    'PROGRAMFILES.*|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|NUMBER_OF_PROCESSORS|PROCESSOR_\\w+',
    'TMPDIR|TEMP|TMP|LANG|LANGUAGE|LC_\\w+|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|XDG_CACHE_HOME',
    'HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE|CUDA_\\w+|NVIDIA_\\w+|VK_DRIVER_FILES|VK_ICD_FILENAMES|OMP_\\w+|HOLDFAST_\\w+',
    'MKL_NUM_THREADS|CUBLAS_WORKSPACE_CONFIG|PYTORCH_(CUDA_)?ALLOC_CONF|ROCR_VISIBLE_DEVICES|HIP_VISIBLE_DEVICES',
  ].join('|')})$`,
  // Windows writes Path and SystemRoot.
  'i',
);

export function childEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const entries = Object.entries(environment).filter(([name, value]) => value !== undefined && passed.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}
